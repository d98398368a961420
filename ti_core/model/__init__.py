"""The frozen base model: which there are, how one is fetched and loaded, and the one door to it."""
