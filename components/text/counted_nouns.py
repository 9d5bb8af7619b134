"""Numbers with their nouns."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: 1 stage, 2,000 stages."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
