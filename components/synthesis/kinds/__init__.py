"""The kind of node that speaks texts."""
