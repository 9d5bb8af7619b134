"""Stacking on real data: spoken Multi30k and spoken homographs."""
