"""Scores that somebody else gave, joined to a comparison and held against metrics."""
