"""Which declared normaliser a language's transcripts are scored under."""

from __future__ import annotations

import re

from components.text_normalization import Normalizer, get_normalizer

WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words, by their ISO 639 code: scored in characters."""


def primary(language: str) -> str:
    """The language without script and region: ``zh`` of ``zh-TW``."""
    return re.split("[-_]", language.lower())[0]


def without_spaces(language: str) -> bool:
    """Whether words of the language are not separated by spaces."""
    return primary(language) in WITHOUT_SPACES


def normalizer_for(language: str) -> Normalizer:
    """The default: ``whisper-english`` for English, ``basic`` elsewhere, no spaces where there are none."""
    if without_spaces(language):
        return get_normalizer("basic-no-spaces")
    return get_normalizer("whisper-english" if primary(language) == "en" else "basic")
