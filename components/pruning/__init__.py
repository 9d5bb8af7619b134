"""Magnitude pruning to a sparsity pattern, and linear layers that leave the zeros out."""
