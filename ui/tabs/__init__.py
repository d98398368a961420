"""The tabs, a module or a room each."""
