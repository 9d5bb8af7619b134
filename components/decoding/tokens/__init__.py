"""Tensors of tokens and their scores: draws, the best k, statistics."""
