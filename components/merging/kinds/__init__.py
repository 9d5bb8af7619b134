"""The kind of node that merges models."""
