"""The default normalizer of each language's transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.languages import base_of, without_spaces

if TYPE_CHECKING:
    from components.text_normalization import Normalizer


def normalizer_for(language: str) -> Normalizer:
    """``whisper-english`` for English, ``basic-no-spaces`` without spaces between words, else ``basic``."""
    from components.text_normalization import get_normalizer  # noqa: PLC0415 - 0.1 s, when something is scored

    if without_spaces(language):
        return get_normalizer("basic-no-spaces")
    return get_normalizer("whisper-english" if base_of(language) == "en" else "basic")
