"""Which score ranks systems, and what it says of single utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.comparison.comparison_settings import ComparisonSettings
from components.errors import ConfigError
from components.metrics.metric import Metric, Output, Segments
from components.metrics.normalizers import NormalizerName
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import METRICS, get_metric, label_of
from components.records import Utterance
from components.text.suggestions import did_you_mean


def choose_ranking(settings: ComparisonSettings, tables: Mapping[str, CorpusStatistics]) -> str | None:
    """Return the metric that ranks: as set, else the first that the baseline has."""
    if settings.ranking is not None and settings.ranking not in tables:
        raise ConfigError(
            f"ranking: expected a score that the baseline has, one of {', '.join(tables)}, found "
            f"{settings.ranking!r}{did_you_mean(settings.ranking, tables)}"
        )
    return settings.ranking or next(iter(tables), None)


def sentence_label(ranking: str | None) -> str:
    """Return the name of what single utterances are scored by where ``ranking`` ranks the systems."""
    name = ranking or "chrf"
    return label_of((METRICS[name].sentence_metric if name in METRICS else None) or name)


class Scope(NamedTuple):
    """What a metric scores: one kind of output, where it has a reference or wherever it is."""

    output: Output
    has_references: bool


def scope_of(metric: Metric) -> Scope:
    """Return what a metric scores."""
    return Scope(metric.output, "reference" in metric.needs)


class RankedItems(NamedTuple):
    """What can be ranked one by one: system -> utterance id -> score, and the utterances themselves."""

    scores: dict[str, dict[str, float]]
    units: Sequence[Utterance]
    higher_is_better: bool
    n_total: int


def score_items(
    ranking: str | None,
    metrics: Mapping[str, Metric],
    tables: Mapping[str, Mapping[str, CorpusStatistics]],
    segments: Mapping[str, Mapping[Scope, Segments | None]],
    units: Mapping[Scope, ScoringUnits],
    n_total: int,
    normalizer: NormalizerName,
) -> RankedItems:
    """Score single utterances by the ranking metric, or by the one that does so in its place."""
    if ranking is not None and ranking not in metrics:
        external = {name: of[ranking] for name, of in tables.items() if ranking in of}
        first = next(iter(external.values()))
        by_id = {unit.id: unit for of in units.values() for unit in of.utterances}
        return RankedItems(
            {name: table.scores_by_id() for name, table in external.items()},
            [by_id[key] for key in first.ids],
            first.metric.higher_is_better,
            first.n_total,
        )
    ranked_by = METRICS["chrf"] if ranking is None else metrics[ranking]
    in_place = ranked_by.sentence_metric
    metric = get_metric(in_place, normalizer) if in_place else ranked_by
    of = units[scope_of(metric)]
    scores = {name: score_sentences(outputs, metric) for name, outputs in segments.items()}
    return RankedItems(scores, of.utterances, metric.higher_is_better, of.count(n_total))


def score_sentences(outputs: Mapping[Scope, Segments | None], metric: Metric) -> dict[str, float]:
    """Utterance id -> score of a system's output alone; {} where it has none of this kind."""
    segments = outputs[scope_of(metric)]
    return {} if segments is None else metric.sentence_scores(segments)
