"""Scores that somebody else gave, joined to a comparison: tested, ranked and drawn as any metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.comparison.ranking import Scope
from components.errors import ConfigError
from components.metrics.metric import CorpusScore
from components.metrics.scores_file import ExternalScores
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import Record
from components.text.suggestions import did_you_mean, suggest


class ExternalScore(CorpusScore):
    """The mean of external scores, as a function of their sum and number."""

    def __init__(self, name: str, *, higher_is_better: bool) -> None:
        self.name = self.label = name
        self.higher_is_better = higher_is_better
        self.ceiling = np.inf if higher_is_better else -np.inf  # whoever scored did not say

    def score(self, sums: FloatArray) -> FloatArray:
        """Return means (...) of sums (..., 2) of values and of ones."""
        return sums[..., 0] / sums[..., 1]


class Judgements(Record):
    """What is known of external scores besides their values.

    ``agreement`` is Krippendorff's alpha (interval data) of ``annotators`` who judged the same outputs.
    """

    name: str
    n: int
    n_total: int
    annotators: int = 0
    agreement: float | None = None


def check_systems(scores: ExternalScores, systems: Sequence[str]) -> None:
    """Refuse scores of none of the systems.

    Raises:
        ConfigError: they are of others.
    """
    if not scores.values.keys() & set(systems):
        raise ConfigError(
            f"{scores.name}: expected scores of {', '.join(systems)}, found none of them, but of "
            f"{', '.join(list(scores.values)[:8])}; the column system holds the names of the runs"
        )


def join_scores(
    scores: Sequence[ExternalScores],
    tables: Mapping[str, dict[str, CorpusStatistics]],
    units: Mapping[Scope, ScoringUnits],
    n_total: int,
    notes: list[str],
) -> tuple[Judgements, ...]:
    """Add the statistics of external scores to those of the metrics, and notes on what they lack.

    Args:
        scores: of several names.
        tables: system -> metric -> statistics; gets those of the scores.
        units: of what metrics score.
        n_total: utterances of the data set.
        notes: gets a line for each kind of what was left out.

    Raises:
        ConfigError: scores named as a metric, or of no system or no item of the comparison.
    """
    ids = list(dict.fromkeys(unit.id for of in units.values() for unit in of.utterances))
    judgements = []
    for entry in scores:
        measured, omissions = measure_scores(entry, list(tables), ids, max(len(ids), n_total))
        notes += omissions
        for name, table in measured.items():
            if entry.name in tables[name]:
                raise ConfigError(f"scores: expected another name than that of a metric, found {entry.name}")
            tables[name][entry.name] = table
        judgements.append(describe_scores(entry, next(iter(measured.values()))))
    return tuple(judgements)


def measure_scores(
    scores: ExternalScores, systems: Sequence[str], ids: Sequence[str], n_total: int
) -> tuple[dict[str, CorpusStatistics], list[str]]:
    """Return the statistics of the systems that have scores, all over the items that these share.

    Args:
        scores: of one name.
        systems: that are compared.
        ids: of what can be scored, in the order of the data set.
        n_total: size of the data set.

    Returns:
        System -> statistics; and what was left out, a line per kind.

    Raises:
        ConfigError: no system or no item of them is compared.
    """
    values = {name: scores.values[name] for name in systems if name in scores.values}
    check_systems(scores, systems)
    shared = [key for key in ids if all(key in of for of in values.values())]
    notes = list(_list_omissions(scores, values, systems, ids, len(shared)))
    if not shared:
        raise ConfigError(
            "\n".join([f"{scores.name}: expected items that all systems have, found none", *notes])
        )
    metric = ExternalScore(scores.name, higher_is_better=scores.higher_is_better)
    signature = f"external:{scores.name}|mean" + (
        f"|annotators:{scores.annotators}" if scores.annotators else ""
    )
    return {
        name: CorpusStatistics(
            metric, tuple(shared), np.array([[of[key], 1.0] for key in shared]), n_total, signature
        )
        for name, of in values.items()
    }, notes


def _list_omissions(
    scores: ExternalScores,
    values: Mapping[str, Mapping[str, float]],
    systems: Sequence[str],
    ids: Sequence[str],
    n_shared: int,
) -> Iterator[str]:
    """Yield what of the scores is not used, and which systems have none."""
    known = set(ids)
    if others := [name for name in scores.values if name not in systems]:
        rows = sum(len(scores.values[name]) for name in others)
        hint = did_you_mean(others[0], systems)
        yield (
            f"{scores.name}: {rows:,} scores of {len(others)} other system{'s' * (len(others) > 1)} left out "
            f"(first {others[0]!r}{hint})"
        )
    unknown = dict.fromkeys(key for of in values.values() for key in of if key not in known)
    if unknown:
        first = next(iter(unknown))
        hint = suggest(first, ids)
        yield f"{scores.name}: {len(unknown):,} ids that the data lack left out (first {first!r}{hint})"
    if without := [name for name in systems if name not in values]:
        yield f"{scores.name}: no scores of {', '.join(without)}"
    union = {key for of in values.values() for key in of} & known
    if len(union) > n_shared:
        yield (
            f"{scores.name}: {n_shared:,} of {len(union):,} scored items are shared by "
            f"{', '.join(values)}; the others are left out"
        )


def describe_scores(scores: ExternalScores, table: CorpusStatistics) -> Judgements:
    """Return the number of the scores' items, of their annotators, and their agreement."""
    return Judgements(
        name=scores.name,
        n=len(table.ids),
        n_total=table.n_total,
        annotators=scores.annotators,
        agreement=scores.agreement,
    )
