"""Minimum Bayes risk: utilities, their sums, pruning."""
