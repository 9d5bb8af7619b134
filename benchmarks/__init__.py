"""Measurements. Each command writes its table to docs/results/; none of them runs in the tests."""
