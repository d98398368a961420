"""The Style tab, which applies a word's style to subjects or to the visitor's own picture."""
