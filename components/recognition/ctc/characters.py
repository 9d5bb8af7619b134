"""Texts as the characters that a CTC head writes: lower case, letters, digits and apostrophes, one space."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

BLANK = 0
"""The number of the blank; characters have the numbers after it."""


def spell(text: str) -> str:
    """Spell ``text`` in lower case without punctuation; hyphens and dashes part words, apostrophes stay."""
    lowered = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
    letters = (c if c.isalnum() or unicodedata.combining(c) or c == "'" else " " for c in lowered)
    return " ".join("".join(letters).split())


def list_characters(texts: Iterable[str]) -> tuple[str, ...]:
    """Return every character of the spelled ``texts``, sorted; the space is always among them."""
    return tuple(sorted({" ", *(character for text in texts for character in spell(text))}))


def encode(text: str, characters: Sequence[str]) -> list[int]:
    """Return the numbers of the characters of the spelled ``text``; those without one are left out."""
    numbers = {character: number for number, character in enumerate(characters, BLANK + 1)}
    return [numbers[character] for character in spell(text) if character in numbers]
