"""Stacking: a second system translates from speech and those of a first (docs/families/stacking.md)."""
