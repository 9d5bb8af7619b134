"""Kinds of nodes that recognize speech."""
