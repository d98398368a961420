"""Draw pictures, and store in each the recipe by which it can be drawn again."""
