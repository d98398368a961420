"""Drawing pictures, and the recipe that each of them carries."""
