"""What runs behind the page: who is asking, the model in use, the device and its queue, drawing, training."""
