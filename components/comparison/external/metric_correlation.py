"""How far external scores agree with metrics, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.comparison.ranking import Scope, scope_of
from components.metrics.metric import Metric, Segments
from components.metrics.scores_file import ExternalScores
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.correlation import MAX_UTTERANCES, kendall_tau, pearson
from components.metrics.table import METRICS
from components.records import Record


class Correlation(Record):
    """External scores against a metric of the same ``n`` items, the outputs of ``systems`` together.

    Where lower is better of one of the two, its sign is turned, so that 1 is agreement. ``kendall`` is None
    of more than 1,000 items.
    """

    name: str
    metric: str
    systems: int
    n: int
    pearson: Estimate | None
    kendall: Estimate | None


def correlate(
    scores: Sequence[ExternalScores],
    metrics: Mapping[str, Metric],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    segments: Mapping[str, Mapping[Scope, Segments | None]],
) -> Iterator[Correlation]:
    """Yield each of the external scores against each metric that scores the same outputs one by one.

    Args:
        scores: external ones.
        metrics: those that were computed, by name.
        tables: system -> score -> statistics, external ones among them.
        segments: system -> what a metric scores -> outputs beside their references.
    """
    for entry in scores:
        judged = {name: of[entry.name].scores_by_id() for name, of in tables.items() if entry.name in of}
        names = dict.fromkeys(name for system in judged for name in tables[system] if name in metrics)
        used = dict.fromkeys(metrics[name].sentence_metric or name for name in names)
        for metric in (metrics.get(name) or METRICS[name] for name in used):
            measured = {
                system: metric.sentence_scores(outputs)
                for system in judged
                if (outputs := segments[system][scope_of(metric)]) is not None
            }
            if correlation := _correlate(entry, metric, judged, measured):
                yield correlation


def _correlate(
    scores: ExternalScores,
    metric: Metric,
    judged: Mapping[str, Mapping[str, float]],
    measured: Mapping[str, Mapping[str, float]],
) -> Correlation | None:
    ids = [
        key
        for key in next(iter(judged.values()), ())
        if measured and all(key in of for of in measured.values())
    ]
    if not ids:
        return None
    signs = (1.0 if higher else -1.0 for higher in (scores.higher_is_better, metric.higher_is_better))
    x, y = (
        sign * np.array([[of[system][key] for system in measured] for key in ids])
        for sign, of in zip(signs, (judged, measured), strict=True)
    )
    return Correlation(
        name=scores.name,
        metric=metric.name,
        systems=len(measured),
        n=len(ids),
        pearson=pearson(x, y),
        kendall=kendall_tau(x, y) if len(ids) <= MAX_UTTERANCES else None,
    )
