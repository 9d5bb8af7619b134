"""Which systems are claimed to be worth having, from data that the search never saw.

A system is on the claimed front unless another one that costs no more may be better by more than the
margin: of all pairs together, the upper bounds of the differences hold with 95% (bootstrap of the largest
standardized deviation; Westfall and Young 1993, Romano and Wolf 2005). Where the user states no margin, it is
the least with which the front that was observed can be claimed, and is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from components.comparison.dominance import count_dominating
from components.errors import DataError
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together

CONFIDENCE = 0.95


class Front(NamedTuple):
    """The claimed front.

    Attributes:
        members: positions of the systems, cheapest first.
        margin: by which a member may be dominated at most, in points of the metric.
        critical: standard errors that all bounds hold with together.
        dominated_by: of each system that is not a member the best that costs no more; where none is better,
            the one that may be by most. None of members.
        bounds: of each system, by how much another one that costs no more may be better; 0 if there is none.
    """

    members: tuple[int, ...]
    margin: float
    critical: float
    dominated_by: tuple[int | None, ...]
    bounds: tuple[float, ...]


def claim_front(tables: Sequence[CorpusStatistics], costs: Sequence[float], margin: float | None) -> Front:
    """Return the systems that no other one dominates by more than a margin.

    Args:
        tables: statistics of each system under one metric, on the same utterances.
        costs: of each.
        margin: in points of the metric; None: the least with which the observed front can be claimed.

    Raises:
        DataError: too few utterances were scored for any claim.
    """
    n = len(tables[0].ids)
    if n < MIN_UTTERANCES:
        raise DataError(f"confirm: expected at least {MIN_UTTERANCES} utterances that are scored, found {n}")
    draw_together(tables)
    sign = 1 if tables[0].metric.higher_is_better else -1
    scores = np.array([sign * table.score() for table in tables])
    resampled = sign * np.stack([table.resampled_scores for table in tables])
    critical = _critical_value(scores, resampled)
    upper = upper_differences(scores, resampled, critical)
    cheap = np.asarray(costs)[None] <= np.asarray(costs)[:, None]  # [i, j]: j costs no more than i
    np.fill_diagonal(cheap, val=False)
    threats = np.where(cheap, upper, 0.0).clip(min=0)
    bounds = threats.max(1, initial=0.0)
    counts = count_dominating([*zip(scores.tolist(), costs, strict=True)], (1, -1))
    observed = [position for position, count in enumerate(counts) if count == 0]
    chosen = margin if margin is not None else float(max(bounds[position] for position in observed))
    members = [position for position in range(len(tables)) if bounds[position] <= chosen + 1e-12]
    if margin is None:
        members = observed
    better = np.where(cheap, scores[None] - scores[:, None], -np.inf)
    rivals = np.where(better.max(1, initial=-np.inf) >= 0, better.argmax(1), threats.argmax(1))
    dominated = [
        None if position in members or not cheap[position].any() else int(rival)
        for position, rival in enumerate(rivals)
    ]
    members.sort(key=lambda position: costs[position])
    return Front(tuple(members), chosen, critical, tuple(dominated), tuple(bounds.tolist()))


def upper_differences(scores: FloatArray, resampled: FloatArray, critical: float) -> FloatArray:
    """Return (n, n): at [i, j] the upper bound of how much j is better than i."""
    difference = scores[None] - scores[:, None]
    errors = (resampled[None] - resampled[:, None]).std(2)
    return np.asarray(difference + critical * errors)


def _critical_value(scores: FloatArray, resampled: FloatArray) -> float:
    """Return the quantile of the largest standardized deviation over all ordered pairs."""
    if len(scores) < 2:
        return 0.0
    largest = np.full(resampled.shape[1], -np.inf)
    for number in range(len(scores)):
        deviation = (resampled - resampled[number]) - (scores - scores[number])[:, None]
        errors = deviation.std(1)
        usable = errors > 0
        if usable.any():
            largest = np.maximum(largest, (deviation[usable] / errors[usable, None]).max(0))
    return float(np.quantile(largest, CONFIDENCE)) if np.isfinite(largest).all() else 0.0
