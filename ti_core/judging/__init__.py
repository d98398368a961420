"""Measure with a CLIP model how good a learned word is."""
