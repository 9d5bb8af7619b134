"""The statistics of a system's outputs under a metric, utterance by utterance.

Bootstrap, randomization, groups of utterances, Shapley values and tuning use these tables, so every metric
shares one implementation of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from components.errors import ComponentError
from components.files.fault_reports import explain_faults
from components.metrics.languages import Language
from components.metrics.metric import (
    CorpusScore,
    Metric,
    Scope,
    Segments,
    align_segments,
    example_segments,
    scope_of,
)
from components.metrics.statistics.bootstrap import (
    PROTOCOL,
    FloatArray,
    resample_sums,
    resample_together,
)
from components.metrics.table import METRICS, metrics_of
from components.records import Text
from components.run_record import Score


@dataclass(frozen=True, eq=False)
class CorpusStatistics:
    """One metric of one system.

    Attributes:
        metric: turns sums of rows into scores.
        ids: utterances that were scored.
        rows: statistics (n, k), in the order of ``ids``.
        n_total: utterances of the data set.
        signature: how text became statistics.
        scope: languages and numbers of references of what was scored.
        apart: how many utterances are left out of the score and counted in its protocol.
    """

    metric: CorpusScore
    ids: tuple[Text, ...]
    rows: FloatArray
    n_total: int
    signature: str
    scope: Scope = frozenset()
    apart: int = 0

    def score(self, rows: FloatArray | None = None) -> float:
        """Return corpus score of ``rows`` (m, k), by default of all."""
        return float(self.metric.score((self.rows if rows is None else rows).sum(0)))

    @cached_property
    def resampled_scores(self) -> FloatArray:
        """Scores of the bootstrap resamples; all tables of as many utterances are drawn from alike."""
        return self.metric.score(resample_sums(self.rows))

    def to_score(self) -> Score:
        """Return the score of all utterances with its bootstrap interval."""
        value = self.score()
        return Score(
            name=self.metric.name,
            value=value,
            higher_is_better=self.metric.higher_is_better,
            interval=self.metric.interval(self.rows, self.resampled_scores),
            n=len(self.ids),
            n_total=self.n_total,
            signature=f"{self.signature}|{PROTOCOL}",
        )

    def scores_by_id(self) -> dict[str, float]:
        """Utterance id -> score of its own row."""
        return dict(zip(self.ids, self.metric.score(self.rows).tolist(), strict=True))

    def subset(self, ids: Iterable[str]) -> CorpusStatistics:
        """Select these utterances, in this order; ids that were not scored are left out."""
        ids = tuple(ids)
        if ids == self.ids:
            return self
        positions = {key: position for position, key in enumerate(self.ids)}
        names = tuple(key for key in dict.fromkeys(ids) if key in positions)
        return replace(self, ids=names, rows=self.rows[[positions[key] for key in names]])


def draw_together(tables: Iterable[CorpusStatistics]) -> None:
    """Resample tables by one product for all of as many utterances: quicker than each when it is asked."""
    by_size: dict[int, list[CorpusStatistics]] = {}
    for table in tables:
        by_size.setdefault(len(table.ids), []).append(table)
    for alike in by_size.values():
        for table, sums in zip(alike, resample_together([table.rows for table in alike]), strict=True):
            vars(table)["resampled_scores"] = table.metric.score(sums)


def measure(metric: Metric, segments: Segments, n_total: int) -> CorpusStatistics | None:
    """Return the statistics of ``segments`` under ``metric``; None where it has nothing to score.

    Args:
        metric: a row of :data:`~components.metrics.table.METRICS`, or one with other settings.
        segments: outputs beside their references; those that the metric cannot score are left out.
        n_total: utterances of the data set.
    """
    with explain_faults(f"metric {metric.name}"):
        if not (selected := metric.select(segments)).ids:
            return None
        rows = np.asarray(metric.statistics(selected), np.float64)
    has_shape = rows.ndim == 2 and len(rows) == len(selected)
    if not has_shape or not np.isfinite(rows).all():
        raise ComponentError(
            f"metric {metric.name}: expected finite counts ({len(selected)}, k), a row for each utterance, "
            f"found {'NaN or infinity' if has_shape else rows.shape}"
        )
    signature, apart = metric.signature(selected), metric.count_apart(segments)
    return CorpusStatistics(metric, selected.ids, rows, n_total, signature, scope_of(selected), apart)


def join_statistics(parts: Sequence[CorpusStatistics], n_total: int) -> CorpusStatistics:
    """Return the statistics of a corpus from those of its parts, in order, under one metric of outputs.

    Args:
        parts: at least one.
        n_total: utterances of the data set.
    """
    metric, scope = parts[0].metric, frozenset[tuple[str, int]]().union(*(part.scope for part in parts))
    assert isinstance(metric, Metric)
    return CorpusStatistics(
        metric,
        tuple(key for part in parts for key in part.ids),
        np.concatenate([part.rows for part in parts if part.ids]),
        n_total,
        metric.signature(example_segments(scope)),
        scope,
        sum(part.apart for part in parts),
    )


def sign_score(metric: Metric, table: CorpusStatistics) -> Score:
    """Return the score of a table with the protocol under which it is reported."""
    signature = metric.score_signature(example_segments(table.scope), table.rows.sum(0), table.apart)
    return table.to_score().model_copy(update={"signature": signature})


def measure_all(metrics: Iterable[Metric], segments: Segments, n_total: int) -> dict[str, CorpusStatistics]:
    """Metric name -> statistics of ``segments``; metrics with nothing to score are left out."""
    tables = {metric.name: measure(metric, segments, n_total) for metric in metrics}
    return {name: table for name, table in tables.items() if table is not None}


def score_segments(metrics: Iterable[Metric], segments: Segments, n_total: int) -> dict[str, Score]:
    """Return metric name -> corpus score, interval and protocol; metrics with nothing to score left out."""
    tables = [(metric, measure(metric, segments, n_total)) for metric in metrics]
    scored = [(metric, table) for metric, table in tables if table is not None]
    draw_together(table for _, table in scored)
    return {metric.name: sign_score(metric, table) for metric, table in scored}


def text_statistics(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    names: Sequence[str] | None = None,
) -> dict[str, CorpusStatistics]:
    """Return statistics of texts under each metric in ``names`` (by default all of translations).

    {} if nothing has both reference and output. Scores and pairing are those of
    :func:`~components.metrics.translation_quality.translation.translation_scores` and
    :func:`~components.metrics.error_rates.recognition.recognition_scores`.
    """
    metrics = metrics_of("translation").values() if names is None else [METRICS[name] for name in names]
    return measure_all(metrics, align_segments(references, hypotheses, language, n_total), n_total)
