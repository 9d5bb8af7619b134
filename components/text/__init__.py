"""Texts and their languages: normalization, alignment, languages, terms."""
