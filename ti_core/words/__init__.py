"""Learned words: in memory, on disk, in other programs' files, and in the user's library."""
