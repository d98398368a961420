"""Learned words: in memory, on disk, in other programs' files, and in a person's library."""
