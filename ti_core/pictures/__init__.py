"""From picture files to upright sRGB pictures of one size, as the model will see them."""
