"""Features that the hypotheses of recognizers and of translators may have."""

from __future__ import annotations

from components.number_ranges import LOG_PROBABILITY, NONNEGATIVE, PROBABILITY, Range
from components.served_usage import COUNTS

_COUNTS: dict[str, Range] = dict.fromkeys(("rank", "cut", *COUNTS), NONNEGATIVE)
_OF_RECOGNIZERS: dict[str, Range] = {
    **dict.fromkeys(("no_speech", "language_probability"), PROBABILITY),
    **dict.fromkeys(("temperature", "compression_ratio", "windows", "silence"), NONNEGATIVE),
    "mean_log_prob": LOG_PROBABILITY,
    **_COUNTS,
}
_OF_TRANSLATORS: dict[str, Range] = {
    "unfamiliar": PROBABILITY,
    **dict.fromkeys(("sentences", "missing_terms", "dropped:"), NONNEGATIVE),
    **_COUNTS,
}
RECOGNIZER_FEATURES = tuple(_OF_RECOGNIZERS)
"""Of Whisper and of the other backends."""
TRANSLATOR_FEATURES = tuple(_OF_TRANSLATORS)
"""Of one translator, with a term list, and of an ensemble over several vocabularies."""
WRITTEN_RANGES = {**_OF_RECOGNIZERS, **_OF_TRANSLATORS}
"""The least and the greatest value of each."""
