"""Stacked systems: a second system that sees what the first one said, and the sound (docs/stacking.md)."""
