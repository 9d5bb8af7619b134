"""Stacking: a second system translates from speech and the outputs of the first one (docs/stacking.md)."""
