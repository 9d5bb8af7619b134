"""Minimum Bayes risk decoding: the candidate with the highest expected utility under the posterior.

Kumar and Byrne 2004 (n-best lists); Eikema and Aziz 2022 (samples). Over the candidates of several systems it
is system combination by consensus, and each system's share of the consensus is reported. The fast forms for
hundreds of samples are those of :mod:`.aggregated_utilities` and of pruning by confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.candidates import Candidates, collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.aggregated_utilities import AGGREGATED_UTILITIES
from components.ensembling.output_level.risk.clipped_matches import Matrix
from components.ensembling.output_level.risk.mbr_utilities import (
    UtilityMetric,
    agreement_of,
    find_blank,
    pairwise_utility,
)
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.metrics.table import get_metric
from components.records import Hypothesis
from components.text.languages import UNDETERMINED

PRUNING_ERROR = 0.01
"""Probability that the pruned form prunes the best candidate, at most."""


def rank_by_expected_utility(
    nbests: Sequence[SystemNBest],
    config: SystemCombinationConfig,
    language: str = UNDETERMINED,
    judge: UtilityMetric | None = None,
) -> tuple[Hypothesis, ...]:
    """Order the different texts of all systems by their expected utility, best first.

    Every hypothesis is a candidate and, with its posterior weight, a possible truth: the expected utility of
    candidate c is the sum over hypotheses h of weight(h) * utility(c, h), c itself included; the same text
    twice counts twice, as samples should. The pruned form gives the candidates that are left alone. Two
    features are added: ``expected_utility``, and ``share:SYSTEM``, the part of the expected agreement with c
    (see :func:`.mbr_utilities.agreement_of`) that comes from the system's hypotheses; the shares sum to 1.
    Ties go to the system that stands first, then to its better hypothesis.

    Args:
        nbests: one list per system.
        config: number of hypotheses, scale of the posterior, utility.
        language: of the texts.
        judge: the metric that ``config`` names, where a model computes it.
    """
    judge = judge or UtilityMetric(get_metric(config.utility, config.utility_normalizer))
    candidate_set = collect_candidates(nbests, config.n_best, config.scale)
    numbers, expected, agreement = FORMS[config.mbr](candidate_set, judge, language)
    total = agreement.sum(1, keepdims=True)
    shares = (
        (agreement / total).tolist()
        if (total > 0).all()
        else _shares_per_candidate(agreement.tolist(), candidate_set.vote_shares.sum(1))
    )
    order = sorted(range(len(expected)), key=lambda row: -round(float(expected[row]), 9))
    return tuple(
        _with_features(
            candidate_set.hypotheses[numbers[row]], float(expected[row]), candidate_set.systems, shares[row]
        )
        for row in order
    )


class Expectations(NamedTuple):
    """Numbers of the m candidates that are left, their expected utilities (m,), agreement (m, systems)."""

    numbers: Sequence[int]
    utilities: NDArray[np.float64]
    agreement: Matrix


def expect_exactly(
    candidate_set: Candidates, judge: UtilityMetric, language: str, numbers: Sequence[int] | None = None
) -> Expectations:
    """Compare the candidates ``numbers`` (None: all) with every one."""
    texts = candidate_set.texts
    numbers = range(len(texts)) if numbers is None else numbers
    utility = pairwise_utility(judge, [texts[number] for number in numbers], language, texts)
    agreement = agreement_of(judge.metric, utility) @ candidate_set.vote_shares.T
    return Expectations(numbers, utility @ candidate_set.vote_shares.sum(0), agreement)


def expect_by_aggregation(candidate_set: Candidates, judge: UtilityMetric, language: str) -> Expectations:
    """Compare every candidate with the average of all, and with that of each system's."""
    votes = candidate_set.vote_shares
    of_system = votes.sum(1)
    weights = votes / of_system[:, None]
    if len(votes) > 1:  # else the only system's average is that of all
        weights = np.concatenate([weights, votes.sum(0)[None]])
    utility = AGGREGATED_UTILITIES[judge.metric.name](candidate_set.texts, weights, language)
    blank = find_blank(candidate_set.texts)
    utility[blank] = 100.0 * weights[:, blank].sum(1)
    agreement = utility[:, : len(votes)] * of_system
    return Expectations(range(len(utility)), utility[:, -1], agreement)


def expect_with_pruning(candidate_set: Candidates, judge: UtilityMetric, language: str) -> Expectations:
    """Prune the candidates that will hardly be the best, and compare the others with every one."""
    texts = candidate_set.texts

    def utility(candidates: NDArray[np.int64], references: NDArray[np.int64]) -> Matrix:
        sides = ([texts[number] for number in side] for side in (candidates, references))
        return pairwise_utility(judge, next(sides), language, next(sides))

    left = prune_candidates(utility, candidate_set.vote_shares.sum(0), PRUNING_ERROR)
    return expect_exactly(candidate_set, judge, language, left.tolist())


FORMS: dict[str, Callable[[Candidates, UtilityMetric, str], Expectations]] = {
    "exact": expect_exactly,
    "aggregated": expect_by_aggregation,
    "pruned": expect_with_pruning,
}
"""Name of the form -> (candidates, metric, language) -> expected utilities."""


def _shares_per_candidate(agreements: list[list[float]], weights: Sequence[float]) -> list[list[float]]:
    """The systems' shares of each candidate's agreement; their weights, where it agrees with nothing."""
    return [
        [agreement / sum(row) for agreement in row] if sum(row) > 0 else [float(weight) for weight in weights]
        for row in agreements
    ]


def _with_features(
    hypothesis: Hypothesis, expected: float, systems: Sequence[str], shares: Sequence[float]
) -> Hypothesis:
    features = {**hypothesis.features, "expected_utility": expected}
    features |= {f"share:{system}": share for system, share in zip(systems, shares, strict=True)}
    return hypothesis.model_copy(update={"features": features})


FIRST_STAGE = 32
"""References of the first stage; each further one has twice as many in all."""

Columns = Callable[[NDArray[np.int64], NDArray[np.int64]], Matrix]
"""(numbers of candidates, numbers of references) -> the utility of each with each."""


def prune_candidates(utility: Columns, weights: NDArray[np.float64], error: float) -> NDArray[np.int64]:
    """Drop the candidates that will hardly be the best, on more and more references.

    Cheng and Vlachos 2023, "Faster Minimum Bayes Risk Decoding with Confidence-based Pruning". References are
    drawn by their weights; after each stage a candidate is pruned if the leader beats it with confidence, and
    what is left at the end is compared with all references. They bootstrap the chance that a candidate wins;
    here it is its normal limit, a paired z-test, at a level that is shared out over all stages and all
    possible leaders, so that the best of the exact form is pruned with probability ``error`` at most, as far
    as means of 32 are normal.

    Args:
        utility: computes utilities, of what is asked for only.
        weights: (n,) of the candidates as references; they sum to 1.
        error: probability, in (0, 1), that the best of all is pruned.

    Returns:
        Numbers of the candidates that are left, in order. With few references in all, every one.
    """
    n = len(weights)
    sizes = [FIRST_STAGE * 2**k for k in range(32) if FIRST_STAGE * 2 ** (k + 1) <= n]
    drawn = np.random.default_rng(0).choice(n, sizes[-1] if sizes else 0, p=weights)
    left, values = np.arange(n), np.zeros((n, 0))
    for size in sizes:
        values = np.concatenate([values, _draws(utility, left, drawn[values.shape[1] : size])], 1)
        keep = _contenders(values, error / len(sizes) / max(n - 1, 1))
        left, values = left[keep], values[keep]
        if len(left) == 1:
            break
    return left


def _draws(utility: Columns, left: NDArray[np.int64], drawn: NDArray[np.int64]) -> Matrix:
    """Return utilities with the references that were drawn, each different one computed once."""
    different, numbers = np.unique(drawn, return_inverse=True)
    return utility(left, different)[:, numbers]


def _contenders(values: Matrix, level: float) -> NDArray[np.bool_]:
    """Return which candidates are not significantly worse than the leader, by a one-sided paired z-test.

    Args:
        values: (m, draws) utilities.
        level: of each test.
    """
    behind = values[values.mean(1).argmax()] - values
    error = behind.std(1, ddof=1) / np.sqrt(values.shape[1])
    return np.asarray(behind.mean(1) <= -NormalDist().inv_cdf(level) * error)
