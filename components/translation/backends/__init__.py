"""Translator backends, one file each."""
