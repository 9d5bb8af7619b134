"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One decoded sequence.

    ``tokens`` are its free tokens without eos. ``log_probs`` (nats, after the rules) has one entry per token,
    and one more for eos when ``finished``; ``members[m]`` are the same positions as member m saw them.
    ``score`` is the sum of ``log_probs``; ``rank`` is the length-normalised score that ordered the
    candidates. ``ending`` is the eos token, None when the sequence was cut at the length limit.
    """

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    members: tuple[tuple[float, ...], ...]
    ending: int | None
    rank: float

    @property
    def finished(self) -> bool:
        """Whether the sequence ended by itself."""
        return self.ending is not None
