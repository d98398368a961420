"""Turn picture files into upright sRGB pictures of one size, as the model sees them."""
