"""The statistics of a whole stage of texts, joined from those of its shards; nothing but counts is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.analysis.measuring.protocol import Protocol
from components.analysis.measuring.shard_statistics import ADDED, APART, SCOPE, UNITS
from components.files.json_text import parse_json
from components.metrics.metric import Metric
from components.metrics.scoring_units import sign_units
from components.metrics.statistics.bootstrap import is_exact
from components.metrics.statistics.corpus_statistics import (
    CorpusStatistics,
    draw_together,
    join_statistics,
    sign_score,
)
from components.run_record import Score
from components.storage.shards.shard import ShardHeader
from components.storage.shards.tallies import Tallies, add_tallies
from components.storage.store import Store

_MAX_NUMBERS = 1 << 25
"""Numbers of the tables that are resampled together: 256 MB."""


@dataclass(frozen=True)
class MeasuredTexts:
    """The statistics of a stage of texts.

    Attributes:
        tables: metric -> statistics, of the metrics that scored anything.
        units: id of a unit -> utterance that it is a part of; only of those that are parts.
        properties: id of a unit -> properties of its utterance.
        tallies: over all utterances and units.
    """

    tables: dict[str, CorpusStatistics]
    units: dict[str, str]
    properties: dict[str, list[Any]]
    tallies: Tallies

    def score(self, metric: Metric) -> Score:
        """Return the signed score of a metric that scored anything."""
        score = sign_score(metric, self.tables[metric.name])
        if metric.of_recordings:
            return score
        unit_names = [name for name in self.tallies.get(UNITS, {}) if name != ADDED]
        return score.model_copy(update={"signature": sign_units(score.signature, unit_names)})


def join_shards(
    store: Store, protocol: Protocol, headers: Sequence[ShardHeader], n_total: int
) -> MeasuredTexts:
    """Return the statistics of a stage of texts.

    Args:
        store: where those of its shards are.
        protocol: by which they were measured.
        headers: of the statistics of its shards, in order.
        n_total: records of the data set.
    """
    metrics = {metric.name: metric for metric in [*protocol.counted, *protocol.of_terms]}
    parts: dict[str, list[CorpusStatistics]] = {name: [] for name in metrics}
    units: dict[str, str] = {}
    properties: dict[str, list[Any]] = {}
    shared: dict[str, list[Any]] = {}  # many utterances have the same properties: each is kept once
    tallies = add_tallies(header.tallies for header in headers)
    for header in headers:
        lines = [json.loads(line) for _, line in store.read_lines(header.key)]
        units |= {line["id"]: line["of"] for line in lines if "of" in line}
        properties |= {line["id"]: shared.setdefault(str(line["in"]), line["in"]) for line in lines}
        for name, metric in metrics.items():
            part = _part_of(metric, lines, header)
            if part is not None:
                parts[name].append(part)
    added = int(tallies.get(UNITS, {}).get(ADDED, 0))
    tables = {}
    for name, metric in metrics.items():
        measured = parts.pop(name)  # so that no more than one of the tables is there twice
        if any(part.ids for part in measured):
            tables[name] = join_statistics(measured, n_total if metric.of_recordings else n_total + added)
    return MeasuredTexts(tables, units, properties, tallies)


def _part_of(metric: Metric, lines: Sequence[dict[str, Any]], header: ShardHeader) -> CorpusStatistics | None:
    scored = [line for line in lines if metric.name in line["rows"]]
    apart = int(header.tallies.get(APART, {}).get(metric.name, 0))
    if not scored and not apart:
        return None
    scope = frozenset(
        (code, int(count)) for code, count in map(parse_json, header.tallies.get(f"{SCOPE}{metric.name}", ()))
    )
    rows = np.asarray([line["rows"][metric.name] for line in scored], np.float64)
    return CorpusStatistics(metric, tuple(line["id"] for line in scored), rows, 0, "", scope, apart)


def resample_all(measured: Iterable[MeasuredTexts]) -> None:
    """Resample tables of as many units by the same draws: at 200,000 units these take 11 s.

    Of tables that are not of whole numbers the last bits depend on what is multiplied with them: each is
    drawn alone, when it is asked for.
    """
    waiting: list[CorpusStatistics] = []
    for table in (table for each in measured for table in each.tables.values() if is_exact(table.rows)):
        waiting.append(table)
        if sum(each.rows.size for each in waiting) > _MAX_NUMBERS:
            draw_together(waiting)
            waiting = []
    draw_together(waiting)
