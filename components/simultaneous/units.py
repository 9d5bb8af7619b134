"""The units that are written one after the other: words, or characters of languages without spaces."""

from __future__ import annotations

from collections.abc import Sequence

from components.text.languages import without_spaces

_ENDS = tuple(".!?…。！？")
_CLOSING = "\"'»”’)]」』"


def split_units(text: str, language: str) -> list[str]:
    """Return the words of a text, or its characters in a language that is written without spaces."""
    return [unit for unit in text if not unit.isspace()] if without_spaces(language) else text.split()


def join_units(units: Sequence[str], language: str) -> str:
    """Return the text of units."""
    return ("" if without_spaces(language) else " ").join(units)


def ends_sentence(unit: str) -> bool:
    """Return whether a sentence ends with a unit."""
    return unit.rstrip(_CLOSING).endswith(_ENDS)
