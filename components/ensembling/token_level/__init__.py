"""Ensembles in one search: the next-token distributions of several models are combined at every decoding step."""
