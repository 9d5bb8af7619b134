"""Kinds of nodes that train models, and their common base."""
