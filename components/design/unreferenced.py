"""What systems are worth on data without references: what an estimator expects of their texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import override

from components.errors import DataError
from components.metrics.metric import CorpusScore, Metric
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import NBest

EXPECTED = ("wer", "chrf")
"""Metrics whose value estimators expect (the kind ``fit_estimator``)."""
NODE = "expected"
"""The node that estimates, beside those of a candidate."""


class Unreferenced(NamedTuple):
    """What stands in place of references.

    Attributes:
        metric: that is asked for.
        by: name of the system that others agree with, or of the estimator.
        agrees: whether scores say how far texts are those of a system.
    """

    metric: str
    by: str
    agrees: bool

    def __str__(self) -> str:
        """Return what a reader has to know first."""
        if self.agrees:
            return (
                f"These data have no references. {self.metric} says how far texts are those of {self.by}: "
                "what a system may lose against the largest model, not how good either is"
            )
        return (
            f"These data have no references. expected_{self.metric} is what the estimator {self.by} expects; "
            "nothing was compared with a right text, and intervals leave the estimator's own errors out"
        )


class ExpectedScore(CorpusScore):
    """A metric as an estimator expects it: the mean over utterances, weighted by words.

    Args:
        metric: which.
    """

    def __init__(self, metric: Metric) -> None:
        self.name, self.label = f"expected_{metric.name}", f"expected {metric.label}"
        self.higher_is_better, self.ceiling = metric.higher_is_better, metric.ceiling

    @override
    def score(self, sums: FloatArray) -> FloatArray:
        return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))


def with_estimator(graph: Mapping[str, Any], output: str, estimator: str) -> dict[str, Any]:
    """Return a graph with a node that estimates its output."""
    node = {"kind": "estimate", "of": graph["outputs"][output], "model": estimator}
    return {**graph, "nodes": {**graph["nodes"], NODE: node}}


def expected_statistics(
    metric: Metric, texts: Iterable[NBest], n_total: int, estimator: str
) -> CorpusStatistics:
    """Return the statistics of texts that were estimated.

    Args:
        metric: whose value was estimated.
        texts: with the estimate as a feature.
        n_total: utterances of the data.
        estimator: for the protocol.

    Raises:
        DataError: there are no texts, or they were not estimated.
    """
    score, ids, rows = ExpectedScore(metric), list[str](), list[tuple[float, int]]()
    for nbest in texts:
        words = max(1, len(nbest.best.text.split()))
        if score.name not in nbest.best.features:
            raise DataError(
                f"{score.name}: expected an estimator that gives it, found that {estimator} does not"
            )
        ids.append(nbest.utterance_id)
        rows.append((nbest.best.features[score.name] * words, words))
    if not rows:
        raise DataError(f"{score.name}: expected texts, found none")
    return CorpusStatistics(
        score, tuple(ids), np.array(rows, np.float64), n_total, f"{score.name}|by:{estimator}|weight:words"
    )
