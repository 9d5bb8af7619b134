"""Cutting texts into sentences, and putting their translations together."""
