"""Features of a text's tokens: their log-probabilities, their distributions, the members of an ensemble."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from components.records import Hypothesis, Token
from components.text.token_pieces import writes_text

Aggregate = Callable[[Sequence[float]], float]


def written_tokens(hypothesis: Hypothesis) -> tuple[Token, ...]:
    """Return the tokens that write text: no timestamps, ends of sequences or columns that no word won."""
    return tuple(token for token in hypothesis.tokens if writes_text(token.piece))


def mean_log_prob(hypothesis: Hypothesis) -> float | None:
    """Return the mean log-probability of all tokens, the end of the sequence included."""
    return hypothesis.score / hypothesis.n_tokens if hypothesis.n_tokens else None


def aggregate_log_probs(aggregate: Aggregate) -> Callable[[Hypothesis], float | None]:
    """Return a feature: ``aggregate`` of the log-probabilities of the tokens that write text."""
    return lambda hypothesis: _aggregate(aggregate, (t.log_prob for t in written_tokens(hypothesis)))


def aggregate_entropy(aggregate: Aggregate) -> Callable[[Hypothesis], float | None]:
    """Return the same of the entropies of their distributions, where the search kept them."""
    return lambda hypothesis: _aggregate(aggregate, (t.entropy for t in written_tokens(hypothesis)))


def aggregate_margin(aggregate: Aggregate) -> Callable[[Hypothesis], float | None]:
    """Return the same of the margins of their distributions, where the search kept them."""
    return lambda hypothesis: _aggregate(aggregate, (t.margin for t in written_tokens(hypothesis)))


def aggregate_disagreement(aggregate: Aggregate) -> Callable[[Hypothesis], float | None]:
    """Return the same of the standard deviations of what an ensemble's members gave the tokens."""
    return lambda hypothesis: _aggregate(
        aggregate,
        (
            statistics.pstdev(token.members.values()) if len(token.members) > 1 else None
            for token in written_tokens(hypothesis)
        ),
    )


def _aggregate(aggregate: Aggregate, values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return aggregate(known) if known else None
