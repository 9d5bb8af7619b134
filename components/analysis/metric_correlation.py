"""How far external scores agree with metrics, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.metrics.bootstrap import Estimate
from components.metrics.corpus_statistics import CorpusStatistics
from components.metrics.correlation import MAX_UTTERANCES, kendall_tau, pearson
from components.metrics.metric import Output, Segments
from components.metrics.scores_file import ExternalScores
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
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    segments: Mapping[str, Mapping[Output, Segments | None]],
) -> Iterator[Correlation]:
    """Each of the external scores against each metric that scores the same outputs one by one.

    Args:
        scores: external ones.
        tables: system -> score -> statistics, external ones among them.
        segments: system -> kind of output -> outputs beside their references.
    """
    for entry in scores:
        judged = {name: of[entry.name].scores_by_id() for name, of in tables.items() if entry.name in of}
        metrics = dict.fromkeys(metric for name in judged for metric in tables[name] if metric in METRICS)
        names = dict.fromkeys(METRICS[metric].sentence_metric or metric for metric in metrics)
        for name in names:
            measured = {
                system: METRICS[name].sentence_scores(outputs)
                for system in judged
                if (outputs := segments[system][METRICS[name].output]) is not None
            }
            if correlation := _correlate(entry, name, judged, measured):
                yield correlation


def _correlate(
    scores: ExternalScores,
    metric: str,
    judged: Mapping[str, Mapping[str, float]],
    measured: Mapping[str, Mapping[str, float]],
) -> Correlation | None:
    ids = [
        key
        for key in next(iter(judged.values()), ())
        if measured and all(key in judged[system] and key in of for system, of in measured.items())
    ]
    if not ids:
        return None
    signs = (
        1.0 if higher else -1.0 for higher in (scores.higher_is_better, METRICS[metric].higher_is_better)
    )
    x, y = (
        sign * np.array([[of[system][key] for system in measured] for key in ids])
        for sign, of in zip(signs, (judged, measured), strict=True)
    )
    return Correlation(
        name=scores.name,
        metric=metric,
        systems=len(measured),
        n=len(ids),
        pearson=pearson(x, y),
        kendall=kendall_tau(x, y) if len(ids) <= MAX_UTTERANCES else None,
    )
