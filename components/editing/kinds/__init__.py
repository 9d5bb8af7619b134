"""Kinds of nodes by which people correct texts."""
