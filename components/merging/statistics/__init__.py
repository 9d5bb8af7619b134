"""What data say of the models of a merge: squared gradients, and products of the inputs of layers."""
