"""Nodes that run a user's own Python function or program."""
