"""Comparisons, attributions and contributions as sentences and tables, for the page and the terminal."""
