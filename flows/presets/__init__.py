"""Presets: graphs that have a name, a form and flags; a file each."""
