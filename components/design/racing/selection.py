"""Which candidates go on: a set with a large expected area under its front, without what is surely worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.metrics.statistics.bootstrap import MIN_UTTERANCES, FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics

SURE = 2.5
"""Standard errors of a paired difference, above which one candidate surely has the better score."""
EXTRA = 0.1
"""Deviation of what resamples do not know of a score, as a share of theirs: where few utterances show no
difference there may be one."""
BEYOND = 0.1
"""How far the corner of the area lies beyond the worst score and the greatest cost, as a share of the range:
otherwise the cheapest and the dearest would add none (Ishibuchi et al. 2018)."""
LEAST = 4
"""Candidates that go on whatever they take, where each adds area: of few, a front would be one of them."""
RESAMPLES = 300
"""Resamples over which areas are averaged."""


class Work(NamedTuple):
    """What a node's computation takes.

    Attributes:
        whole: seconds on all of the search data.
        left: of these, what was not computed yet.
    """

    whole: float
    left: float


class Measured(NamedTuple):
    """What is known of a candidate on the data so far.

    Attributes:
        statistics: of the primary metric.
        cost: that the front is over, per utterance.
        violation: by how much it breaks its limits, relative to them; 0: it keeps them.
        nodes: identity of each node's computation -> what it takes; what is shared counts once.
        is_forecast: whether its texts are those of others, not computed (:mod:`.mixtures`).
    """

    statistics: CorpusStatistics
    cost: float
    violation: float = 0.0
    nodes: Mapping[str, Work] = {}
    is_forecast: bool = False


def select(known: Sequence[Measured], seconds: float, least: int = LEAST) -> list[int]:
    """Return which candidates go on for at most so many seconds of their nodes, or ``least`` of them.

    Greedily, as long as one adds any, the one that adds most to the expected area under the front: for the
    seconds that it adds, or whatever it takes; of both sets the one of the larger area.
    """
    order = np.argsort([each.cost for each in known], kind="stable").tolist()
    costs = np.log([max(known[number].cost, 1e-9) for number in order])
    scores = _resample([known[number].statistics for number in order])
    widths = np.diff(costs, append=costs[-1] + BEYOND * (costs[-1] - costs[0]))
    nodes = [{name: work.left for name, work in known[number].nodes.items()} for number in order]
    sets = [
        _choose(scores, widths, nodes, seconds, least if by else 1, by_seconds=by) for by in (True, False)
    ]
    return [order[place] for place in max(sets, key=lambda found: found[0])[1]]


def _choose(
    scores: FloatArray,
    widths: FloatArray,
    nodes: Sequence[Mapping[str, float]],
    seconds: float,
    least: int,
    *,
    by_seconds: bool,
) -> tuple[float, list[int]]:
    """Return the expected area of a set, and its places in order of cost.

    Args:
        scores: (resamples, n), of candidates in order of cost.
        widths: (n,) from the cost of each to that of the next.
        nodes: of each: the seconds that its nodes still take.
        seconds: that the set may take.
        least: so many whatever they take.
        by_seconds: whether the area is worth the more the fewer seconds it takes.
    """
    worst, best = scores.min(1, keepdims=True), scores.max(1, keepdims=True)
    reached = np.repeat(worst - BEYOND * (best - worst), scores.shape[1], 1)  # at each cost, by the set
    area, chosen, left, computed = 0.0, list[int](), list(range(len(nodes))), dict[str, float]()
    while left:
        worth = []
        for place in left:
            more = sum(value for name, value in nodes[place].items() if name not in computed)
            if len(chosen) < least or sum(computed.values()) + more <= seconds:
                gains = np.maximum(scores[:, [place]] - reached[:, place:], 0) @ widths[place:]
                gain = float(gains.mean())
                worth.append((gain / (more + 1e-9) if by_seconds else gain, gain, -place))
        _, gain, negative = max(worth, default=(0.0, 0.0, 0))
        if not worth or (chosen and gain == 0):
            break
        place = -negative
        area += gain
        chosen.append(place)
        left.remove(place)
        computed |= nodes[place]
        reached[:, place:] = np.maximum(reached[:, place:], scores[:, [place]])
    return area, chosen


def _resample(tables: Sequence[CorpusStatistics]) -> FloatArray:
    """Return scores (resamples, n), more is better; the only ones there are of too few utterances."""
    sign = 1 if tables[0].metric.higher_is_better else -1
    if len(tables[0].ids) < MIN_UTTERANCES:
        return sign * np.array([[table.score() for table in tables]])
    scores = sign * np.stack([table.resampled_scores[:RESAMPLES] for table in tables], 1)
    unknown = np.random.default_rng(0).standard_normal(scores.shape)
    return np.asarray(scores + EXTRA * scores.std(0).mean() * unknown)


def dominated_area(scores: FloatArray, costs: FloatArray, corner: tuple[float, float]) -> float:
    """Return the area that points dominate (hypervolume, Zitzler and Thiele 1999).

    Args:
        scores: more is better.
        costs: less is better.
        corner: the worst score and the greatest cost.
    """
    area, best = 0.0, corner[0]
    for cost, score in sorted(zip(costs.tolist(), scores.tolist(), strict=True)):
        if score > best and cost < corner[1]:
            area += (score - best) * (corner[1] - cost)
            best = score
    return area


def surely_dominated(known: Sequence[Measured]) -> list[int | None]:
    """Return for each candidate another that costs no more and surely has the better score; None for most."""
    dominating: list[int | None] = []
    for position, each in enumerate(known):
        rivals = (
            (_standardized_difference(other.statistics, each.statistics), number)
            for number, other in enumerate(known)
            if number != position and other.cost <= each.cost and other.violation <= each.violation
        )
        errors, rival = max(rivals, default=(0.0, -1))
        dominating.append(rival if errors > SURE else None)
    return dominating


def _standardized_difference(first: CorpusStatistics, second: CorpusStatistics) -> float:
    """Return how many standard errors one system is better than another on the same utterances."""
    difference, error = paired_difference(first, second)
    return difference / error if error > 0 else 0.0


def paired_difference(first: CorpusStatistics, second: CorpusStatistics) -> tuple[float, float]:
    """Return by how much the first is better on the same utterances, and the standard error of that.

    The error is 0 where there are too few utterances for resamples.
    """
    sign = 1 if first.metric.higher_is_better else -1
    resampled = first.resampled_scores - second.resampled_scores
    return sign * (first.score() - second.score()), float(np.std(resampled)) if resampled.size else 0.0
