"""Textual inversion (Gal et al., arXiv 2208.01618): learn the vectors of a word from prepared pictures."""
