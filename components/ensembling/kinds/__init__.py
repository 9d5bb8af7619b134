"""Kinds of nodes that combine outputs of systems and learn how."""
