"""Counts of what served models were asked: features of hypotheses, which a price table turns to money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

INPUT_TOKENS = "input_tokens"
OUTPUT_TOKENS = "output_tokens"
AUDIO_SECONDS = "audio_seconds"
COUNTS = (INPUT_TOKENS, OUTPUT_TOKENS, AUDIO_SECONDS)
"""Features of a hypothesis: all that was asked for it, and not for others."""


def add_counts(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Add up counts of several requests; what none of them has is left out."""
    total: dict[str, float] = {}
    for each in counts:
        for name in COUNTS:
            if each.get(name):
                total[name] = total.get(name, 0.0) + each[name]
    return total
