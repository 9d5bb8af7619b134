"""Kinds of nodes that translate text."""
