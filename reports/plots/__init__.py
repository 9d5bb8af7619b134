"""Figures (matplotlib) and the drawing of a pipeline's graph (SVG)."""
