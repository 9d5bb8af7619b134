"""The merge methods, one row each with paper and formula, and the arithmetic that makes one output tensor."""
