"""Can the confidences of a run be trusted, and from which value on: an answer in a sentence per node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from components.analysis.table import Sentence
from components.confidence.evaluation.outcomes import OUTCOMES, RAW
from components.confidence.evaluation.quality import SignalQuality
from components.metrics.statistics.bootstrap import Estimate

_ORDERS = ((0.9, "very well"), (0.8, "well"), (0.7, "fairly well"), (0.0, "poorly"))
"""AUROC from which on a signal tells right from wrong so well (Hosmer and Lemeshow 2000, section 5.2.4)."""
_POINTS = 2.0
"""Percent points between mean confidence and share right from which on confidences are called too high."""
_WHAT = {"word": "words", "utterance": "transcripts without an error", "bad": "translations that are not bad"}


def describe_signals(signals: Sequence[SignalQuality]) -> list[Sentence]:
    """Return two sentences for each node and class of texts, about its estimate, else its raw signal."""
    sentences = []
    for (node, outcome), group in groupby(signals, key=lambda signal: (signal.node, signal.outcome)):
        if OUTCOMES[outcome].is_class:
            best = min(group, key=lambda signal: signal.signal == RAW)
            which = f"{node}, {_WHAT[outcome]}{_describe_n(best)}"
            sentences.append(Sentence(f"{which}: {' '.join(_describe(best))}"))
    return sentences


def _describe_n(signal: SignalQuality) -> str:
    """Say of how many alone it speaks: texts that a route took from elsewhere have no such number."""
    return "" if signal.n == signal.n_total else f" ({signal.n:,} of {signal.n_total:,} have {signal.signal})"


def _describe(signal: SignalQuality) -> Iterator[str]:
    yield f"{_describe_threshold(signal)}."
    order = _describe_order(signal.measures.get("auroc"))
    numbers = _describe_numbers(signal)
    advice = (
        "" if signal.signal != RAW else " To get probabilities, fit an estimator (antiphon run estimator)."
    )
    yield f"The {signal.signal} {order}; {numbers}.{advice}"


def _describe_threshold(signal: SignalQuality) -> str:
    share, kept = 1 - signal.mean_loss, signal.threshold
    if kept is not None:
        return (
            f"from a confidence of {kept.confidence:.2f} on {100 * kept.accuracy:.1f}% are right; these are "
            f"{100 * kept.coverage:.0f}% of all (of all {100 * share:.1f}% are right)"
        )
    if share >= 0.99:
        return f"{100 * share:.1f}% are right: no threshold is needed"
    return f"{100 * share:.1f}% are right; no threshold reaches the next goal on these data"


def _describe_order(auroc: Estimate | None) -> str:
    if auroc is None:
        return "cannot be judged: all are right, or all are wrong"
    if auroc.interval is not None and auroc.interval[0] <= 0.5:
        return f"may order them no better than chance (AUROC {auroc.value:.2f})"
    word = next(word for least, word in _ORDERS if auroc.value >= least)
    return f"tells right from wrong {word} (AUROC {auroc.value:.2f})"


def _describe_numbers(signal: SignalQuality) -> str:
    ece = signal.measures.get("ece")
    if ece is None:
        return "there are too few to say whether the numbers are probabilities"
    total = sum(each.n for each in signal.reliability)
    gap = 100 * sum(each.n * (each.confidence - each.accuracy) for each in signal.reliability) / total
    if abs(gap) < _POINTS:
        return f"as probabilities its numbers are off by {100 * ece.value:.0f} points"
    return f"as probabilities its numbers are {abs(gap):.0f} points too {'high' if gap > 0 else 'low'}"
