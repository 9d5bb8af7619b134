"""The overview of a large run: what its report says of all utterances without reading any of them.

It is made with the scores and kept beside them: the worst utterances, a histogram, groups, and how few
utterances hold half of the errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from components.analysis.buckets import Properties, label_order, label_property
from components.analysis.group_scores import GROUP_METRICS, PROPERTIES
from components.analysis.measuring.joined_statistics import MeasuredTexts
from components.analysis.measuring.shard_statistics import GROUPS
from components.metrics.metric import Output
from components.metrics.statistics.bootstrap import Estimate, FloatArray, resample_sums
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import Record
from components.storage.shards.tallies import Tallies

FILE = "overview.json"
LARGE = 5000
"""Utterances up to which a report shows all; of more it shows a sample, and an overview of all."""
SHOWN = 500
"""Utterances of a sample."""
MAX_GROUPS = 20
"""Groups of a property that are scored: the largest."""
GROUP_RESAMPLES = 1000
"""Resamples of a group's score."""
BINS = 20
"""Of a histogram from 0 to 100; the last holds what is more."""
SENTENCE_METRICS: dict[Output, tuple[str, ...]] = {"transcript": ("wer", "cer"), "translation": ("chrf",)}
"""By which the worst utterances are found: the first that there is."""


class TextOverview(Record):
    """What there is to say of the texts of a node.

    Attributes:
        output: which texts they are.
        metric: by which single utterances are compared.
        worst: ids of the worst utterances, the worst first.
        histogram: utterances in each twentieth of 0 to 100.
        errors: word errors of all, of a transcript.
        half: how few utterances hold half of them.
    """

    output: Output
    metric: str
    worst: tuple[str, ...]
    histogram: tuple[int, ...]
    errors: int | None = None
    half: int | None = None


class GroupOverview(Record):
    """The scores of the utterances that share a property.

    Attributes:
        by: the property.
        value: what they share.
        n: how many they are.
        scores: by metric.
    """

    by: str
    value: Any
    n: int
    scores: dict[str, Estimate]

    @property
    def label(self) -> str:
        """How the group is named."""
        return label_property(self.by, self.value)


class Overview(Record):
    """The overview of a run."""

    texts: tuple[TextOverview, ...] = ()
    groups: tuple[GroupOverview, ...] = ()
    n_groups: dict[str, int] = Field(default_factory=dict, description="how many each property divides into")


def make_overview(outputs: Mapping[Output, MeasuredTexts]) -> Overview:
    """Return the overview of the outputs of a run."""
    texts = [text for output, measured in outputs.items() for text in _describe(output, measured)]
    tallies: Tallies = next((measured.tallies for measured in outputs.values()), {})
    groups: list[GroupOverview] = []
    counts: dict[str, int] = {}
    for by in PROPERTIES:
        members = {value: int(n) for value, n in tallies.get(f"{GROUPS}{by}", {}).items()}
        if len(members) > 1:
            counts[by] = len(members)
            groups += _score_groups(by, members, outputs)
    return Overview(texts=tuple(texts), groups=tuple(groups), n_groups=counts)


def read_overview(folder: Path) -> Overview | None:
    """Return the overview in the folder of a stage of scores; None where there is none."""
    path = folder / FILE
    return Overview.model_validate_json(path.read_bytes()) if path.is_file() else None


def _describe(output: Output, measured: MeasuredTexts) -> Iterator[TextOverview]:
    name = next((name for name in SENTENCE_METRICS[output] if name in measured.tables), None)
    if name is None:
        return
    table = measured.tables[name]
    ids, rows = _sum_by_utterance(table, measured.units)
    scores = table.metric.score(rows)
    order = np.argsort(scores if table.metric.higher_is_better else -scores, kind="stable")
    histogram, _ = np.histogram(np.minimum(scores, 100.0), BINS, (0.0, 100.0))
    yield TextOverview(
        output=output,
        metric=name,
        worst=tuple(ids[int(n)] for n in order[:SHOWN]),
        histogram=tuple(map(int, histogram)),
        **(_concentrate(rows[:, 0]) if output == "transcript" else {}),
    )


def _sum_by_utterance(table: CorpusStatistics, units: Mapping[str, str]) -> tuple[list[str], FloatArray]:
    """Return the utterances of a table, in order, and the sums of the rows of their units."""
    numbers: dict[str, int] = {}
    positions = [numbers.setdefault(units.get(key, key), len(numbers)) for key in table.ids]
    sums = np.zeros((len(numbers), table.rows.shape[1]))
    np.add.at(sums, positions, table.rows)
    return list(numbers), sums


def _concentrate(errors: FloatArray) -> dict[str, int]:
    total = float(errors.sum())
    if not total:
        return {}
    cumulative = np.cumsum(np.sort(errors)[::-1])
    return {"errors": int(total), "half": int(np.searchsorted(2 * cumulative, total)) + 1}


def _score_groups(
    by: str, members: Mapping[str, int], outputs: Mapping[Output, MeasuredTexts]
) -> Iterator[GroupOverview]:
    """Yield the largest groups by a property, in the order of their labels."""
    largest = sorted(members, key=lambda value: (-members[value], value))[:MAX_GROUPS]
    position = Properties._fields.index(by)
    scores: dict[str, dict[str, Estimate]] = {value: {} for value in largest}
    for measured in outputs.values():
        for name in (name for name in GROUP_METRICS if name in measured.tables):
            table = measured.tables[name]
            for value, rows in _divide(table, [measured.properties[key][position] for key in table.ids]):
                if value in scores:
                    scores[value][name] = _estimate(table, rows)
    for value in sorted(largest, key=lambda value: label_order(label_property(by, json.loads(value)))):
        yield GroupOverview(by=by, value=json.loads(value), n=members[value], scores=scores[value])


def _divide(table: CorpusStatistics, values: Sequence[Any]) -> Iterator[tuple[str, FloatArray]]:
    """Yield the rows of each group, by its value as JSON."""
    positions: dict[str, list[int]] = {}
    for number, value in enumerate(values):
        positions.setdefault(json.dumps(value), []).append(number)
    for value, of_group in positions.items():
        yield value, table.rows[of_group]


def _estimate(table: CorpusStatistics, rows: FloatArray) -> Estimate:
    resampled = table.metric.score(resample_sums(rows, GROUP_RESAMPLES))
    return Estimate(value=table.score(rows), interval=table.metric.interval(rows, resampled))
