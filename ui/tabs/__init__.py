"""The tabs, a room each."""
