"""ROVER: confusion networks of words and voting."""
