"""Which tokens, and which timed words, write each word of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from components.records import Hypothesis, Token
from components.text.matching.alignment import align
from components.text.token_pieces import spell_pieces

T = TypeVar("T")


def tokens_of_words(hypothesis: Hypothesis) -> list[list[Token]]:
    """For each word of ``text.split()`` the tokens that write it; none where that is not known.

    Where tokens spell other words than the text has (a normalizer or a truecaser came between them), the
    two are aligned; stretches of different lengths share their tokens.
    """
    spelled: list[tuple[str, list[Token]]] = []
    characters = [
        (character, number)
        for number, piece in enumerate(spell_pieces([token.piece for token in hypothesis.tokens]))
        for character in piece
    ]
    text = "".join(character for character, _ in characters)
    for match in re.finditer(r"\S+", text):
        numbers = dict.fromkeys(number for _, number in characters[match.start() : match.end()])
        spelled.append((match[0], [hypothesis.tokens[number] for number in numbers]))
    return assign(hypothesis.text.split(), spelled)


def probabilities_of_words(hypothesis: Hypothesis) -> list[list[float]]:
    """For each word of ``text.split()`` the probabilities of the timed words that it holds."""
    spelled = [
        (word.text.strip(), [] if word.probability is None else [word.probability])
        for segment in hypothesis.segments
        for word in segment.words
    ]
    return assign(hypothesis.text.split(), spelled)


def assign(words: Sequence[str], spelled: Sequence[tuple[str, list[T]]]) -> list[list[T]]:
    """Give each word the values of the spelled word that it is aligned with."""
    if not spelled:
        return [[] for _ in words]
    if list(words) == [word for word, _ in spelled]:
        return [values for _, values in spelled]
    assigned: list[list[T]] = []
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
