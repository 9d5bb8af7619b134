"""The units that are written one after the other: words, or characters of languages without spaces."""

from __future__ import annotations

from collections.abc import Sequence

from components.nodes.continuing import Attended
from components.text.languages import without_spaces

_ENDS = tuple(".!?…。！？")
_CLOSING = "\"'»”’)]」』"


def split_units(text: str, language: str) -> list[str]:
    """Return the words of a text, or its characters in a language that is written without spaces."""
    return [unit for unit in text if not unit.isspace()] if without_spaces(language) else text.split()


def join_units(units: Sequence[str], language: str) -> str:
    """Return the text of units."""
    return ("" if without_spaces(language) else " ").join(units)


def spread_attention(text: str, attended: Sequence[Attended], language: str) -> list[float]:
    """Return the largest position that a token of each unit of a text attended to."""
    positions: list[float] = []
    for token in attended:
        before, count = len(positions), len(split_units(text[: token.end], language))
        positions += [token.position] * (count - before)
        if before == count and positions:  # it goes on with the last one
            positions[-1] = max(positions[-1], token.position)
    return positions


def ends_sentence(unit: str) -> bool:
    """Return whether a sentence ends with a unit."""
    return unit.rstrip(_CLOSING).endswith(_ENDS)
