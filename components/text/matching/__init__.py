"""Texts that are aligned and cut as others are."""
