"""Minimum error rate training (Och 2003): coefficients of log-linear reranking from development data.

Along a line in the space of coefficients every candidate's score is a straight line, so the best candidate of
an utterance changes only at the corners of the upper envelope: the corpus metric is known exactly at every
point of the line, and the best interval is taken. The lines are the coordinates and random directions; the
search is restarted from the best single features and from random points, with a seed. Only development data
may be given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.candidates import collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.reranking import compute_features
from components.ensembling.output_level.risk.mbr_utilities import UtilityMetric
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.metrics.metric import CorpusScore, Segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric

Array = NDArray[np.float64]
MIN_GAIN = 1e-9
"""Least gain of the metric that counts as progress."""


@dataclass(frozen=True)
class TunedCoefficients:
    """Coefficients, the development score that they reach, and that of the best single feature."""

    coefficients: dict[str, float]
    score: float
    single: float


@dataclass(frozen=True)
class RerankingProblem:
    """Development data: per utterance the features (n, k) and statistics (n, m) of its n candidates."""

    features: tuple[Array, ...]
    statistics: tuple[Array, ...]
    metric: CorpusScore

    def score_sums(self, sums: FloatArray) -> FloatArray:
        """Return the corpus metric of sums (..., m) of statistics, negated where less is better."""
        metric = self.metric
        return metric.score(sums) if metric.higher_is_better else -metric.score(sums)

    def score(self, weights: Array) -> float:
        """Return the corpus metric (more is better) of the candidates that ``weights`` (k,) choose."""
        rows = zip(self.features, self.statistics, strict=True)
        total = sum(stats[int(np.argmax(np.round(f @ weights, 9)))] for f, stats in rows)
        return float(self.score_sums(np.asarray(total)))


def mert(
    nbests: Sequence[Sequence[SystemNBest]],
    references: Sequence[Sequence[str]],
    config: SystemCombinationConfig,
    language: str,
    seed: int = 0,
    judges: Sequence[UtilityMetric] = (),
) -> TunedCoefficients:
    """Learn the coefficients of reranking that give the best corpus metric on development utterances.

    Features are scaled to unit standard deviation for the search, and their coefficients scaled back.

    Args:
        nbests: the systems' lists, utterance by utterance.
        references: the reference texts, utterance by utterance; each has some.
        config: its utility names the metric.
        language: of the texts.
        seed: of the random directions and starts.
        judges: the metric with the source, utterance by utterance, where a model computes it.
    """
    judges = judges or [UtilityMetric(get_metric(config.utility, config.utility_normalizer))] * len(nbests)
    candidate_sets = [
        collect_candidates(nbests_of_utterance, config.n_best, config.scale) for nbests_of_utterance in nbests
    ]
    features = [
        compute_features(candidate_set, config, language, judge)
        for candidate_set, judge in zip(candidate_sets, judges, strict=True)
    ]
    names = sorted({name for by_name in features for name in by_name})
    names = [
        name for name in names if name.startswith("vote:") or all(name in by_name for by_name in features)
    ]
    tables = [
        np.stack([by_name.get(name, np.zeros(len(candidate_set.texts))) for name in names], 1)
        for by_name, candidate_set in zip(features, candidate_sets, strict=True)
    ]
    spread = np.concatenate([table - table.mean(0) for table in tables]).std(0)
    scale = np.where(spread > 1e-12, 1 / np.maximum(spread, 1e-12), 0.0)
    statistics = [
        judge.metric.statistics(_segments(candidate_set.texts, texts, language, judge.source))
        for candidate_set, texts, judge in zip(candidate_sets, references, judges, strict=True)
    ]
    metric = judges[0].metric
    problem = RerankingProblem(tuple(table * scale for table in tables), tuple(statistics), metric)
    weights, score, single = search_weights(problem, seed)
    coefficients = {name: float(value) for name, value in zip(names, weights * scale, strict=True) if value}
    return TunedCoefficients(coefficients, score, single)


def _segments(candidates: Sequence[str], references: Sequence[str], language: str, source: str) -> Segments:
    """Return the candidates of one utterance, each beside its references."""
    n = len(candidates)
    return Segments(
        ids=tuple(map(str, range(n))),
        hypotheses=tuple(candidates),
        languages=(language,) * n,
        references=(tuple(references),) * n,
        sources=(source,) * n,
    )


def search_weights(problem: RerankingProblem, seed: int = 0, restarts: int = 4) -> tuple[Array, float, float]:
    """Search the weights of the best corpus score by line searches from several starts.

    Returns:
        Weights (k,), their score, and the score of the best single feature.
    """
    rng = np.random.default_rng(seed)
    size = problem.features[0].shape[1]
    useful = [k for k in range(size) if any(np.ptp(f[:, k]) > 0 for f in problem.features)]
    units = np.eye(size)[useful] if useful else np.eye(size)
    singles = sorted(
        ((problem.score(s * u), n, s * u) for n, u in enumerate(units) for s in (1, -1)),
        key=lambda row: (-row[0], row[1]),
    )
    starts = [row[2] for row in singles[:3]]
    starts += [_random_direction(rng, units) for _ in range(restarts)]
    best, best_score = singles[0][2], singles[0][0]
    for start in starts:
        weights, score = _climb_from(problem, start, units, rng)
        if score > best_score + MIN_GAIN:
            best, best_score = weights, score
    return best, best_score, singles[0][0]


def _random_direction(rng: np.random.Generator, units: Array) -> Array:
    direction: Array = rng.normal(size=len(units)) @ units
    return direction / np.linalg.norm(direction)


def _climb_from(
    problem: RerankingProblem, weights: Array, units: Array, rng: np.random.Generator
) -> tuple[Array, float]:
    """Move along the best of all lines through the point, as long as one gains."""
    score = problem.score(weights)
    while True:
        lines = [*units, *(_random_direction(rng, units) for _ in range(len(units)))]
        steps = [(line_search(problem, weights, line), line) for line in lines]
        (gain, step), line = max(steps, key=lambda candidate: candidate[0][0])
        new_weights = weights + step * line
        new_weights = new_weights / np.linalg.norm(new_weights)
        # Scored again: near a corner of the envelope rounding may choose otherwise.
        if gain <= score + MIN_GAIN or (new_score := problem.score(new_weights)) <= score + MIN_GAIN:
            return weights, score
        weights, score = new_weights, new_score


def line_search(problem: RerankingProblem, weights: Array, direction: Array) -> tuple[float, float]:
    """Find the best point ``weights + step * direction``.

    Of equal intervals the widest wins, since small changes of the data leave it where it is.

    Returns:
        The best corpus score, and the step to the middle of the interval that has it.
    """
    first = np.zeros(problem.statistics[0].shape[1])
    corners: list[float] = []
    changes: list[Array] = []
    for features, statistics in zip(problem.features, problem.statistics, strict=True):
        winners, steps = upper_envelope(features @ weights, features @ direction)
        first = first + statistics[winners[0]]
        corners += steps
        changes += [statistics[b] - statistics[a] for a, b in pairwise(winners)]
    if not corners:
        return float(problem.score_sums(first)), 0.0
    order = np.argsort(corners, kind="stable")
    sorted_corners = np.array(corners)[order]
    sums = first + np.concatenate([np.zeros((1, len(first))), np.cumsum(np.stack(changes)[order], 0)])
    scores = problem.score_sums(sums)
    low = np.concatenate([[sorted_corners[0] - 2.0], sorted_corners])
    high = np.concatenate([sorted_corners, [sorted_corners[-1] + 2.0]])
    wide = high - low > 1e-9
    best = max(np.flatnonzero(wide), key=lambda i: (round(float(scores[i]), 9), high[i] - low[i]))
    return float(scores[best]), float((low[best] + high[best]) / 2)


def upper_envelope(offsets: Array, slopes: Array) -> tuple[list[int], list[float]]:
    """Return the upper envelope of the lines ``offset + step * slope``; of equal lines the first one counts.

    Returns:
        The indices of the highest lines, from step minus infinity to plus infinity, and the steps between
        them at which the highest line changes.
    """
    order = sorted(range(len(slopes)), key=lambda i: (slopes[i], offsets[i], -i))
    winners: list[int] = []
    corners: list[float] = []
    for i in order:
        while winners:
            previous = winners[-1]
            if slopes[i] == slopes[previous]:  # sorted: i is at least as high, or equal and earlier
                crossing = -np.inf
            else:
                crossing = float((offsets[previous] - offsets[i]) / (slopes[i] - slopes[previous]))
            if corners and crossing <= corners[-1]:
                winners.pop()
                corners.pop()
                continue
            if crossing == -np.inf:
                winners.pop()
                continue
            corners.append(crossing)
            break
        winners.append(i)
    return winners, corners
