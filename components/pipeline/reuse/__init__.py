"""Reuse of what is stored though it is not exactly the same."""
