"""A merge recipe in mergekit's YAML: reading it, and what it says as data."""
