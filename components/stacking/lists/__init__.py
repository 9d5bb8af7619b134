"""Late fusion: lists rescored by both systems, fitted coefficients."""
