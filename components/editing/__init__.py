"""Corrections by hand: read from files that people have edited, kept with who, when and what, and applied."""
