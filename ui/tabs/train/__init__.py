"""The tab that learns a word."""
