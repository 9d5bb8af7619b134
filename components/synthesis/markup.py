"""Forced pronunciations: ``{read|r'Ed}`` in a text is read as "read" and spoken as the phonemes r'Ed.

Phonemes are espeak-ng's own (Kirshenbaum's ASCII, as ``espeak-ng -q -x`` prints them).
"""

from __future__ import annotations

import re

PRONUNCIATION_MARK = re.compile(r"\{([^{}|]+)\|([^{}|\[\]]+)\}")


def strip_marks(text: str) -> str:
    """Return the text as it is read: every mark replaced by its word."""
    return PRONUNCIATION_MARK.sub(r"\1", text)


def to_phonemes(text: str) -> str:
    """Return the text as espeak-ng is to speak it: every mark replaced by its phonemes in double brackets."""
    return PRONUNCIATION_MARK.sub(r"[[\2]]", text)


def is_marked(text: str) -> bool:
    """Return whether a pronunciation is forced anywhere in ``text``."""
    return PRONUNCIATION_MARK.search(text) is not None
