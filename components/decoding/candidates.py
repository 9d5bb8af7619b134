"""The result of a search: decoded sequences with their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.records import Token

MemberScores = tuple[tuple[float | None, ...], ...]
"""One number per member and position; None where the member was not run."""


@dataclass(frozen=True)
class Candidate:
    """A decoded sequence with its scores.

    Attributes:
        tokens: the T generated tokens without eos.
        score: sum of ``log_probs``.
        log_probs: log-probability of every token (nats, after the logits processors): T entries, and one
            more for eos where the sequence ended by itself.
        member_log_probs: for each active member of an ensemble the log-probabilities that it gave the same
            tokens, before the logits processors.
        eos_token: the token that ended the sequence; None where it was cut at the length limit.
        normalized_score: the length-normalized score that candidates are ranked by, biases included.
        member_weights: for each active member its weight at the same positions.
        entropies: of every token's distribution (nats, after the logits processors), where they are kept.
        margins: log-probability of its likeliest token minus that of the next, likewise.
        draw: the number of the sample, from 0; None where nothing was sampled.
        missing: phrases that the search was to write and that the text lacks.
    """

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    member_log_probs: MemberScores
    eos_token: int | None
    normalized_score: float
    member_weights: MemberScores = ()
    entropies: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()
    draw: int | None = None
    missing: int = 0

    @property
    def finished(self) -> bool:
        """Whether the sequence ended by itself."""
        return self.eos_token is not None

    @property
    def all_tokens(self) -> tuple[int, ...]:
        """The tokens, and eos where the sequence ended by itself: those that ``log_probs`` are of."""
        return self.tokens if self.eos_token is None else (*self.tokens, self.eos_token)

    def since(self, position: int) -> Candidate:
        """Return the candidate without its first tokens; its rank stays that of the whole."""
        log_probs = self.log_probs[position:]
        return replace(
            self,
            tokens=self.tokens[position:],
            score=math.fsum(log_probs),
            log_probs=log_probs,
            member_log_probs=tuple(column[position:] for column in self.member_log_probs),
            member_weights=tuple(column[position:] for column in self.member_weights),
            entropies=self.entropies[position:],
            margins=self.margins[position:],
        )


def statistics_at(candidate: Candidate, position: int) -> dict[str, float]:
    """Return entropy and margin of one token, as the record ``Token`` names them; none if not kept."""
    if not candidate.entropies:
        return {}
    return {"entropy": candidate.entropies[position], "margin": candidate.margins[position]}


def member_scores_at(names: Sequence[str], scores: MemberScores, position: int) -> dict[str, float]:
    """Return the per-member scores at one position; members that were not run or gave -inf are omitted."""
    pairs = ((name, column[position]) for name, column in zip(names, scores, strict=False))
    return {name: value for name, value in pairs if value is not None and math.isfinite(value)}


def tokens_of(candidate: Candidate, pieces: Sequence[str], members: Sequence[str] = ()) -> tuple[Token, ...]:
    """Return the tokens of a candidate with all that the search kept of each.

    Args:
        candidate: what the search returned.
        pieces: the text of each of its ``all_tokens`` in the vocabulary.
        members: names of an ensemble's members that were run, in order.
    """
    return tuple(
        Token(
            piece=str(piece),
            log_prob=log_prob,
            members=member_scores_at(members, candidate.member_log_probs, position),
            weights=member_scores_at(members, candidate.member_weights, position),
            **statistics_at(candidate, position),
        )
        for position, (piece, log_prob) in enumerate(zip(pieces, candidate.log_probs, strict=True))
    )
