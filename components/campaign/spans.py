"""Doubtful words of an output as error spans, which annotators then correct (Zouhar et al. 2025, ESA-AI)."""

from __future__ import annotations

import math
import re
from statistics import fmean
from typing import NamedTuple

from components.records import Hypothesis
from components.text.token_pieces import spell_pieces


class Span(NamedTuple):
    """Characters of a text, ``end`` exclusive."""

    start: int
    end: int


def find_doubtful_words(hypothesis: Hypothesis, below: float) -> list[Span]:
    """Return the words of an output whose confidence is below a number between 0 and 1.

    That of a word is the geometric mean of its tokens' probabilities, or what the recognizer says of it.
    There are none where tokens or words are not kept, or do not make up the text letter by letter.
    """
    pieces = list(_pieces(hypothesis))
    written = "".join(text for text, _ in pieces)
    if below <= 0 or not pieces or written.strip() != hypothesis.text.strip():
        return []
    piece_at = [number for number, (text, _) in enumerate(pieces) for _ in text]
    lead = len(written) - len(written.lstrip()) - (len(hypothesis.text) - len(hypothesis.text.lstrip()))
    spans = []
    for word in re.finditer(r"\S+", hypothesis.text):
        numbers = set(piece_at[lead + word.start() : lead + word.end()])
        if fmean(pieces[number][1] for number in numbers) < math.log(below):
            spans.append(Span(word.start(), word.end()))
    return spans


def _pieces(hypothesis: Hypothesis) -> list[tuple[str, float]]:
    """Return pieces of a text with their log-probabilities, without those that are no text."""
    words = [word for segment in hypothesis.segments for word in segment.words]
    if words and all(word.probability for word in words):
        return [(word.text, math.log(word.probability or 1.0)) for word in words]
    spelled = spell_pieces([token.piece for token in hypothesis.tokens])
    return [(piece, token.log_prob) for piece, token in zip(spelled, hypothesis.tokens, strict=True) if piece]
