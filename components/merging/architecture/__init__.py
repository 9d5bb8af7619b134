"""What the names of tensors say: layers, stacks, and weights that are tied under several names."""
