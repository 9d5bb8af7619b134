"""The kind of node that says who speaks."""
