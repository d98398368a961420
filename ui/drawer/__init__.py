"""The drawer beside the tabs: a person's words, and those on the Hub."""
