"""Flows that are Python, not presets: any graph from a file, compare, blame, contribution, improve, tune."""
