"""What tokens' pieces, or another spelling's words, say of each word of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from components.text.matching.alignment import align
from components.text.token_pieces import spell_pieces

Value = TypeVar("Value")


def spell_words(pieces: Sequence[str], pattern: str = r"\S+") -> list[tuple[str, list[int]]]:
    """Return what in the text of the pieces matches, and the numbers of the pieces that write it."""
    spelled = spell_pieces(pieces)
    numbers = [number for number, piece in enumerate(spelled) for _ in piece]
    return [
        (match[0], list(dict.fromkeys(numbers[match.start() : match.end()])))
        for match in re.finditer(pattern, "".join(spelled))
    ]


def assign_values(words: Sequence[str], spelled: Sequence[tuple[str, list[Value]]]) -> list[list[Value]]:
    """Give each word the values of the spelled word that it is aligned with.

    Stretches of different lengths share theirs.
    """
    if not spelled:
        return [[] for _ in words]
    if list(words) == [word for word, _ in spelled]:
        return [values for _, values in spelled]
    assigned: list[list[Value]] = []
    start = 0
    edits = align([word for word, _ in spelled], words)
    for _, stretch in groupby(edits, key=lambda edit: edit.operation == "equal"):
        rows = list(stretch)
        n_spelled = sum(edit.reference is not None for edit in rows)
        n_words = sum(edit.hypothesis is not None for edit in rows)
        values = [values for _, values in spelled[start : start + n_spelled]]
        pooled = [value for each in values for value in each]
        assigned += values if n_spelled == n_words else [pooled] * n_words
        start += n_spelled
    return assigned
