"""Ensembles in one search: the next-token distributions of several models are mixed at every step."""
