"""The server behind the page: visitors, the model in use, the device and its queue, drawing, training."""
