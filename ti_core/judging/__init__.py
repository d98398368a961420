"""How good a learned word is, in the eyes of a CLIP model."""
