"""What is trained, one class for each kind of model."""
