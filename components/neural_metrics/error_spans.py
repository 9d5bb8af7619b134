"""Error spans from the label probabilities of a translation's tokens, and the MQM score that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from components.metrics.model_metric import ErrorSpan

PENALTIES = {"minor": 1, "major": 5, "critical": 10}
"""MQM's weight of an error."""
MAX_PENALTY = 25


def find_error_spans(
    probabilities: Tensor,
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    severities: Sequence[str],
    decode: Callable[[list[int]], str],
) -> tuple[ErrorSpan, ...]:
    """Join neighboring tokens whose likeliest label is an error.

    As in COMET 2.2.7 a span has the severity of its first token, the tokens of begin and end are labeled
    too, and a span that is open at the last token is dropped.

    Args:
        probabilities: (tokens, labels), of no error first and then of ``severities``; they may be weighted
            sums of distributions.
        ids: of the tokens, those of begin and end among them.
        offsets: (start, end) of every token, in characters.
        severities: names of the labels of errors.
        decode: token ids -> text.
    """
    values, labels = probabilities.max(1)
    spans: list[ErrorSpan] = []
    open_tokens: list[int] = []
    for token, label in enumerate(labels.tolist()):
        if label:
            open_tokens.append(token)
        elif open_tokens:
            first, last = open_tokens[0], open_tokens[-1]
            spans.append(
                ErrorSpan(
                    start=offsets[first][0],
                    end=offsets[last][1],
                    text=decode([ids[token] for token in open_tokens]),
                    severity=severities[int(labels[first]) - 1],
                    confidence=min(float(values[open_tokens].mean()), 1.0),
                )
            )
            open_tokens = []
    return tuple(spans)


def mqm_score(spans: Sequence[ErrorSpan]) -> float:
    """Score in [0, 1] of error spans: 1 less a 25th of the sum of their penalties (Freitag et al. 2021)."""
    penalty = sum(PENALTIES.get(span.severity, 0) for span in spans)
    return (MAX_PENALTY - min(penalty, MAX_PENALTY)) / MAX_PENALTY
