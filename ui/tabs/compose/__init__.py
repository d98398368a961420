"""The Compose tab: combine words in one picture, over a grid of weights, or blended into one word."""
