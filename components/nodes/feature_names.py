"""Features that the hypotheses of recognizers and of translators may have."""

from __future__ import annotations

from components.endpoints.usage import COUNTS

RECOGNIZER_FEATURES = (
    *("no_speech", "temperature", "compression_ratio", "language_probability", "windows", "silence"),
    *("mean_log_prob", "cut", "rank", *COUNTS),
)
"""Of Whisper and of the other backends."""
TRANSLATOR_FEATURES = ("rank", "sentences", "cut", "unfamiliar", "missing_terms", "dropped:", *COUNTS)
"""Of one translator, with a term list, and of an ensemble over several vocabularies."""
