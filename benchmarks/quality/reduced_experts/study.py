"""What the kept outputs of the seeds say: losses and BLEU against each other, importance against losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.quality.reduced_experts.domains import DOMAINS
from benchmarks.quality.reduced_experts.graph import DRAWS, WHOLE
from components.claims.statistics.rank_correlation import correlate_ranks
from components.experts.reducing.clusters import RANDOM
from components.experts.routing_stats import mutual_information
from components.metrics.statistics.bootstrap import (
    SEED,
    Estimate,
    FloatArray,
    bootstrap_interval,
    ratio_interval,
)
from components.metrics.statistics.seed_bootstrap import ItemSums, TwoLevelEstimate, two_level_bootstrap
from components.metrics.table import get_metric

RESAMPLES = 2000
MEASURES: Mapping[str, tuple[str, ...]] = {
    "knock-out": ("knock_out",),
    "REAP": ("saliency",),
    "frequency": ("load",),
    "REAP times frequency": ("saliency", "load"),
}
"""Measure of importance -> the fields of a trace that it is the product of."""
Metric = Literal["loss", "bleu"]


class Layer(NamedTuple):
    """A layer with experts, means over seeds; shares are 0 to 1.

    Attributes:
        name: Of the layer.
        similarity: Mean cosine of two experts' outputs.
        twins: That of two experts that began as one block.
        domain: What the choice of experts tells of the domain.
        matter: Experts, of all seeds, whose knock-out costs likelihood on val beyond its 95% interval.
    """

    name: str
    similarity: float
    twins: float
    domain: float
    matter: int


class Study:
    """The seeds' outputs, as they are kept."""

    def __init__(self, seeds: Sequence[Mapping[str, Any]]) -> None:
        self.seeds, self.domains = seeds, DOMAINS
        self._tables = dict[tuple[Metric, str, str], FloatArray]()
        self._compared = dict[tuple[Metric, str, str, tuple[str, ...]], TwoLevelEstimate]()

    def compare(
        self, metric: Metric, system: str, baseline: str, domains: Sequence[str] = DOMAINS
    ) -> TwoLevelEstimate:
        """A system minus another, mean over domains, over seeds and texts; ``random K`` is all its draws."""
        key = metric, system, baseline, tuple(domains)
        if key not in self._compared:
            tasks = [
                ItemSums(_SCORES[metric], self._table(metric, first, d), self._table(metric, second, d))
                for d in domains
                for first in _expand(system)
                for second in _expand(baseline)
            ]
            self._compared[key] = two_level_bootstrap(tasks, resamples=RESAMPLES)
        return self._compared[key]

    def _table(self, metric: Metric, system: str, domain: str) -> FloatArray:
        """Statistics (seeds, n, k) of a system's outputs for the texts of a domain."""
        key = metric, system, domain
        if key not in self._tables:
            rows = [_loss_rows, _bleu_rows][metric == "bleu"]
            self._tables[key] = np.stack(
                [rows(seed, system, _positions(seed, domain)) for seed in self.seeds]
            )
        return self._tables[key]

    def layers(self) -> Iterator[Layer]:
        """The layers with experts, in order."""
        for traces in zip(*(seed["trace"] for seed in self.seeds), strict=True):
            cosines = np.mean([trace["similarity"] for trace in traces], axis=0)
            n = len(cosines)
            twins = [cosines[e, (e + n // 2) % n] for e in range(n)]
            yield Layer(
                name=traces[0]["layer"],
                similarity=float((cosines.sum() - np.trace(cosines)) / (n * (n - 1))),
                twins=float(np.mean(twins)),
                domain=float(np.mean([mutual_information(list(t["by_domain"].values())) for t in traces])),
                matter=sum(e["interval"][0] > 0 for trace in traces for e in trace["knock_out"]),
            )

    @cached_property
    def costs(self) -> FloatArray:
        """Nats a token (seeds, layers, experts) that the test set loses without each expert."""
        return np.stack([_loss_above_whole(seed, np.array(seed["without"])) for seed in self.seeds])

    def importance(self, measure: str) -> FloatArray:
        """Importance (seeds, layers, experts) by a measure, on val."""
        return np.array(
            [
                [np.prod([_numbers(trace[field]) for field in MEASURES[measure]], axis=0) for trace in traces]
                for traces in (seed["trace"] for seed in self.seeds)
            ]
        )

    def token_shares(self) -> dict[str, float]:
        """The domains' shares of the tokens of val, by which importance is measured."""
        slots = {name: sum(row) for name, row in self.seeds[0]["trace"][-1]["by_domain"].items()}
        return {name: n / sum(slots.values()) for name, n in slots.items()}

    def agreement(self, measure: str) -> Estimate:
        """Spearman's correlation of importance and cost within a layer, mean; the layers are resampled."""
        correlations = correlate_ranks(self.importance(measure), self.costs).ravel().tolist()
        interval = ratio_interval(correlations, [1] * len(correlations))
        return Estimate(value=float(np.mean(correlations)), interval=interval)

    def foresight(self, measure: str) -> Estimate:
        """The same of the summed importance of random halves and their cost; the halves are resampled."""
        pairs = [
            (_sum_removed(shares, seed["subsets"]), subset_costs(seed))
            for shares, seed in zip(_shares(self.importance(measure), measure), self.seeds, strict=True)
        ]
        draws = np.random.default_rng(SEED).integers(len(pairs[0][0]), size=(RESAMPLES, len(pairs[0][0])))
        value = float(np.mean([correlate_ranks(*pair) for pair in pairs]))
        resampled = np.mean([correlate_ranks(x[draws], y[draws]) for x, y in pairs], axis=0)
        return Estimate(value=value, interval=bootstrap_interval(resampled, value))

    def random_halves_that_cost_less(self, system: str) -> list[int]:
        """Of the random halves of each seed, how many cost less than a system."""
        own = [_loss_above_whole(seed, _log_likelihoods(seed, system)) for seed in self.seeds]
        return [int((subset_costs(s) < cost).sum()) for s, cost in zip(self.seeds, own, strict=True)]


def _numbers(values: Sequence[Any]) -> list[float]:
    """Numbers as they are, and those that have an interval."""
    return [each["value"] if isinstance(each, Mapping) else each for each in values]


def subset_costs(seed: Mapping[str, Any]) -> FloatArray:
    """Nats a token that the test set loses without each of the random halves."""
    return _loss_above_whole(seed, np.array([each["log_likelihoods"] for each in seed["subsets"]]))


def _shares(importance: FloatArray, measure: str) -> FloatArray:
    """Importance that can be summed over layers: nats as they are, others as shares of their layer."""
    return importance if measure == "knock-out" else importance / importance.sum(-1, keepdims=True)


def _sum_removed(importance: FloatArray, subsets: Sequence[Mapping[str, Any]]) -> FloatArray:
    """Importance (layers, experts) of what each subset removes, summed."""
    return np.array(
        [
            sum(float(row[removed].sum()) for row, removed in zip(importance, each["removed"], strict=True))
            for each in subsets
        ]
    )


def _loss_above_whole(seed: Mapping[str, Any], log_likelihoods: FloatArray) -> FloatArray:
    """Nats a token (...) lost by log-likelihoods (..., n) of the first n texts, against the whole model's."""
    whole = np.array(seed["losses"][WHOLE])[: log_likelihoods.shape[-1]]
    return np.asarray((whole[:, 0].sum() - log_likelihoods.sum(-1)) / whole[:, 1].sum())


def _log_likelihoods(seed: Mapping[str, Any], system: str) -> FloatArray:
    """Of the texts on which random halves were measured."""
    n = len(seed["subsets"][0]["log_likelihoods"])
    return np.array(seed["losses"][system])[:n, 0]


def _expand(system: str) -> list[str]:
    """The models that a system stands for."""
    if not system.startswith(f"{RANDOM} ") or system.count(" ") > 1:
        return [system]
    return [f"{RANDOM} {draw} {system.split()[1]}" for draw in range(1, DRAWS + 1)]


def _positions(seed: Mapping[str, Any], domain: str) -> list[int]:
    return [n for n, own in enumerate(seed["domains"]) if own == domain]


def _loss_rows(seed: Mapping[str, Any], system: str, positions: Sequence[int]) -> FloatArray:
    return np.array(seed["losses"][system], dtype=np.float64)[list(positions)]


def _bleu_rows(seed: Mapping[str, Any], system: str, positions: Sequence[int]) -> FloatArray:
    return np.array(seed["bleu"][system], dtype=np.float64)[list(positions)]


def _loss_of(sums: FloatArray) -> FloatArray:
    return np.asarray(-sums[..., 0] / sums[..., 1])


_SCORES: Mapping[Metric, Callable[[FloatArray], FloatArray]] = {
    "loss": _loss_of,
    "bleu": lambda sums: get_metric("bleu").score(sums),
}
