"""The tab where words meet: in one picture, over a grid of their weights, or blended into one word."""
