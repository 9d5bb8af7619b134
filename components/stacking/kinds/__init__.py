"""Kinds of nodes that train and run second systems."""
