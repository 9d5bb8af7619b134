"""Kinds of nodes that fuse hypothesis lists into one text."""
