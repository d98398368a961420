"""The tab where a word's style is put on subjects, or on a picture of the visitor's own."""
