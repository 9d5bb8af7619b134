"""Kept statistics as results: differences, permutation tests, correlations, detection."""
