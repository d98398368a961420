"""Make the embedded demonstration model: its world of synthetic pictures, its training and its export."""
