"""Textual inversion (Gal et al., arXiv 2208.01618): from prepared pictures to the vectors of a word."""
