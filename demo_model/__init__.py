"""How the embedded demonstration model is made: its picture world, its training and its export."""
