"""Short constructors of hypotheses and n-best lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis, Token


def make_hypothesis(
    text: str, *confidences: float, score: float | None = None, system: str = "s"
) -> Hypothesis:
    """A hypothesis of one token per word, with the confidences given (1 where there are none)."""
    words = text.split()
    word_confidences = confidences or (1.0,) * len(words)
    tokens = tuple(
        Token(piece=f" {word}", log_prob=math.log(c)) for word, c in zip(words, word_confidences, strict=True)
    )
    total = math.fsum(token.log_prob for token in tokens) if score is None else score
    return Hypothesis(text=text, score=total, n_tokens=len(tokens), system=system, tokens=tokens)


def make_nbests(
    *lists: Sequence[Hypothesis] | Hypothesis, weights: Sequence[float] = ()
) -> list[SystemNBest]:
    """Systems a, b, c... with a hypothesis or an n-best list each."""
    return [
        SystemNBest(
            chr(ord("a") + number),
            (hypotheses,) if isinstance(hypotheses, Hypothesis) else tuple(hypotheses),
            weights[number] if weights else 1.0,
        )
        for number, hypotheses in enumerate(lists)
    ]
