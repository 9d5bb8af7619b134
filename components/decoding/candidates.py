"""What a search returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MemberScores = tuple[tuple[float | None, ...], ...]
"""One number per member and token; None where the member was not run."""


@dataclass(frozen=True)
class Candidate:
    """One decoded sequence.

    ``tokens`` are its free tokens without eos. ``log_probs`` (nats, after the rules) has one entry per token,
    and one more for eos when ``finished``. ``members[m]`` is what the m-th of the members that count gave the
    same positions, before the rules, and ``weights[m]`` its weight there. ``score`` is the sum of
    ``log_probs``; ``rank`` is the length-normalised score that ordered the candidates. ``ending`` is the eos
    token, None when the sequence was cut at the length limit.
    """

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    member_log_probs: MemberScores
    eos_token: int | None
    normalized_score: float
    member_weights: MemberScores = ()

    @property
    def finished(self) -> bool:
        """Whether the sequence ended by itself."""
        return self.eos_token is not None


def member_scores_at(names: Sequence[str], scores: MemberScores, position: int) -> dict[str, float]:
    """What each named member said at one place of a candidate; the silent and the infinite are left out."""
    pairs = ((name, column[position]) for name, column in zip(names, scores, strict=False))
    return {name: value for name, value in pairs if value is not None and math.isfinite(value)}
