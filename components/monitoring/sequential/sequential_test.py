"""Two systems compared at every look: a confidence sequence of their difference, and what it decides."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from components.errors import DataError
from components.metrics.metric import CorpusScore
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, FloatArray, Interval
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.monitoring.sequential import betting
from components.monitoring.sequential.pseudo_values import pseudo_differences
from components.records import Record

ALPHA = 0.05
LOOKS = 20
"""Looks whose intervals are kept for the plot; decisions are looked for at every utterance."""
Verdict = Literal["better", "worse", "equivalent", "not worse", "undecided", "too few"]


class Look(Record):
    """The confidence sequence after ``n`` utterances, in points of the metric."""

    n: int
    interval: Interval


class SequentialTest(Record):
    """A system against the baseline, looked at after every utterance.

    Attributes:
        metric: that is compared.
        system: what is tested.
        baseline: what it is tested against.
        difference: score of the system minus that of the baseline, over all utterances.
        mean: the mean of the pseudo-values, which the intervals hold.
        interval: 1 - alpha confidence sequence of ``mean``; it may be looked at at any time.
        p: smallest level at which a difference has been found at any look.
        verdict: what the sequence decides, see :func:`decide`.
        decided: after how many utterances the first decision was possible.
        further: utterances like these that a decision would take; None where there is one, or none is near.
        margin: of equivalence, in points; None where none was set.
        alpha: probability of a wrong verdict at any look.
        clipped: utterances whose pseudo-values were beyond the range of the metric.
        looks: intervals at some looks.
        n: utterances.
        higher_is_better: of the metric.
        signature: how the numbers were made.
    """

    metric: str
    system: str
    baseline: str
    difference: float
    mean: float
    interval: Interval
    p: float = Field(ge=0, le=1)
    verdict: Verdict
    decided: int | None
    further: int | None
    margin: float | None
    alpha: float
    clipped: int
    looks: tuple[Look, ...]
    n: int
    higher_is_better: bool
    signature: str


def compare_sequentially(
    system: CorpusStatistics,
    baseline: CorpusStatistics,
    names: tuple[str, str],
    margin: float | None = None,
    alpha: float = ALPHA,
) -> SequentialTest:
    """Compare two systems over utterances in the order of their data set.

    Args:
        system: statistics of what is tested.
        baseline: of what it is tested against, over the same utterances.
        names: theirs, in this order.
        margin: below which a difference does not matter, in points.
        alpha: level of all that is decided, at all looks together.

    Raises:
        DataError: they have other utterances.
    """
    if set(system.ids) != set(baseline.ids) or not system.ids:
        raise DataError(f"expected {names[0]} to have the utterances of {names[1]}, found others")
    system = system.subset(baseline.ids)
    metric = system.metric
    values = pseudo_differences(system.rows, baseline.rows, metric.score)
    scale, sign = range_of(metric), 1.0 if metric.higher_is_better else -1.0
    gains = (sign * values / scale).clip(-1, 1)
    low, high = (sign * scale * end for end in betting.confidence_sequence(gains, alpha))
    relative = None if margin is None else margin / scale
    verdict, decided = decide(gains, alpha, relative)
    return SequentialTest(
        metric=metric.name,
        system=names[0],
        baseline=names[1],
        difference=system.score() - baseline.score(),
        mean=float(values.clip(-scale, scale).mean()),
        interval=(min(low, high), max(low, high)),
        p=_p_value(gains),
        verdict=verdict,
        decided=decided,
        further=count_further(gains, alpha, relative) if verdict == "undecided" else None,
        margin=margin,
        alpha=alpha,
        clipped=int((np.abs(values) > scale).sum()),
        looks=tuple(_look(gains, n, alpha, sign * scale) for n in _places(len(gains))),
        n=len(gains),
        higher_is_better=metric.higher_is_better,
        signature=f"{system.signature}|betting|pseudo-values|alpha:{alpha:g}|range:{scale:g}",
    )


def range_of(metric: CorpusScore) -> float:
    """Return the points from the worst score to the best, at which pseudo-values are clipped."""
    worst = 0.0 if metric.higher_is_better else metric.worst
    reach = abs(metric.ceiling - worst)
    return reach if np.isfinite(reach) and reach > 0 else 100.0


def decide(gains: FloatArray, alpha: float, margin: float | None = None) -> tuple[Verdict, int | None]:
    """Return what the confidence sequence decides, and after how many utterances it first decided anything.

    All verdicts follow from one event, that the sequence holds the mean at all times; together they are wrong
    with probability alpha at most.

    Args:
        gains: pseudo-values (n,), positive where the system is better, in [-1, 1].
        alpha: level.
        margin: of equivalence, as ``gains``; None: only better or worse is decided.

    Returns:
        better or worse: the sequence excludes zero; equivalent: it lies within the margin; not worse: its
        lower end lies within the margin.
    """
    if len(gains) < MIN_UTTERANCES:
        return "too few", None
    above, below = (betting.first_refutation(x, alpha / 2) for x in (gains, -gains))
    not_worse = not_better = None
    if margin is not None:
        not_worse = betting.first_refutation(gains, alpha / 2, -margin)
        not_better = betting.first_refutation(-gains, alpha / 2, -margin)
    times = [time for time in (above, below, not_worse) if time is not None]
    decided = min(times, default=None)
    if above is not None and (below is None or above < below):
        return "better", decided
    if below is not None:
        return "worse", decided
    if not_worse is not None:
        return ("not worse" if not_better is None else "equivalent"), decided
    return "undecided", None


def count_further(gains: FloatArray, alpha: float, margin: float | None) -> int | None:
    """Return how many further utterances like these the nearest decision takes; None: none is near."""
    doubts = [(gains, 0.0), (-gains, 0.0)]
    if margin is not None:
        doubts.append((gains, -margin))
    needed = [betting.further_needed(x, alpha / 2, mean) for x, mean in doubts]
    return min((count for count in needed if count is not None), default=None)


def _p_value(gains: FloatArray) -> float:
    most = max(betting.log_capital(x).max(initial=0.0) for x in (gains, -gains))
    return float(min(1.0, 2 * np.exp(-most)))


def _places(n: int) -> list[int]:
    return sorted({max(1, round(n * (k + 1) / LOOKS)) for k in range(LOOKS)}) if n else []


def _look(gains: FloatArray, n: int, alpha: float, scale: float) -> Look:
    low, high = sorted(scale * end for end in betting.confidence_sequence(gains[:n], alpha))
    return Look(n=n, interval=(low, high))
