"""What all visitors share: models, the device and its queue, jobs, and how errors are told."""
