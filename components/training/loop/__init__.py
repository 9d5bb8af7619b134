"""The one training loop: steps, validation, checkpoints, learning curve."""
