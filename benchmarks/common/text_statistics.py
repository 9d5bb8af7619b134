"""Statistics of scored texts, stored in place of references, which are not ours to publish (decision 28).

A page scores, tests and resamples from these counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from components.metrics.metric import Metric, Segments, align_segments
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics, measure_all
from components.metrics.table import METRICS, get_metric
from components.records import Utterance

Texts = Mapping[str, Mapping[str, str]]
"""System -> utterance id -> its text."""
Tables = dict[str, dict[str, CorpusStatistics]]
"""System -> metric -> statistics of its texts."""


def count_translations(
    utterances: Sequence[Utterance], texts: Texts, names: Sequence[str] = ("bleu", "chrf")
) -> dict[str, Any]:
    """Statistics of translations into German, as JSON that :func:`read_statistics` reads."""
    references = {u.id: u.references for u in utterances}
    return count_by_metric([METRICS[name] for name in names], references, texts, "de")


def count_transcripts(utterances: Sequence[Utterance], texts: Texts) -> dict[str, Any]:
    """Statistics of the WER of English transcripts, as JSON that :func:`read_statistics` reads."""
    references = {u.id: (u.transcript or "",) for u in utterances}
    return count_by_metric([METRICS["wer"]], references, texts, "en")


def count_texts(metric: str, utterances: Sequence[Utterance], texts: Sequence[str]) -> list[list[float]]:
    """Statistics of English transcripts (WER, CER) or German translations: one text for each utterance."""
    is_transcript = get_metric(metric).name in {"wer", "cer"}
    segments = Segments(
        ids=tuple(u.id for u in utterances),
        hypotheses=tuple(texts),
        languages=("en" if is_transcript else "de",) * len(texts),
        references=tuple((u.transcript or "",) if is_transcript else u.references for u in utterances),
        sources=tuple(u.text or "" for u in utterances),
    )
    return to_json(get_metric(metric).statistics(segments))


def to_json(rows: FloatArray) -> list[list[float]]:
    """Rows of counts; whole numbers without their ``.0``, which is most of them."""
    return [[int(x) if float(x).is_integer() else float(x) for x in row] for row in rows.tolist()]


def count_by_metric(
    metrics: Iterable[Metric], references: Mapping[str, Sequence[str]], texts: Texts, language: str
) -> dict[str, Any]:
    """By metric: ids, signature, and rows by system.

    Raises:
        ValueError: A system has no text for an utterance, or a metric scores other ones of it.
    """
    statistics = dict[str, Any]()
    for system, own in texts.items():
        if missing := references.keys() - own.keys():
            raise ValueError(f"{system}: expected a text for every utterance, {len(missing)} have none")
        segments = align_segments(references, own, language, len(references))
        for name, table in measure_all(metrics, segments, len(references)).items():
            of_metric = statistics.setdefault(
                name, {"ids": list(table.ids), "signature": table.signature, "rows": {}}
            )
            if of_metric["ids"] != list(table.ids):
                raise ValueError(f"{system}: expected {name} of the utterances that other systems have")
            of_metric["rows"][system] = to_json(table.rows)
    return statistics


def read_statistics(statistics: Mapping[str, Any], metrics: Iterable[Metric] = METRICS.values()) -> Tables:
    """Tables of statistics that were stored.

    Args:
        statistics: what :func:`count_by_metric` has returned.
        metrics: those that were counted, among others.
    """
    tables: Tables = {}
    for metric in metrics:
        if of_metric := statistics.get(metric.name):
            ids, signature = tuple(of_metric["ids"]), of_metric["signature"]
            for system, rows in of_metric["rows"].items():
                table = CorpusStatistics(metric, ids, np.asarray(rows, np.float64), len(ids), signature)
                tables.setdefault(system, {})[metric.name] = table
    return tables
