"""The Train tab, which learns a word."""
