"""The scores of one system on each language, domain, speaker and length of its utterances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.analysis.buckets import group_utterances
from components.metrics.languages import Language
from components.metrics.metric import Metric, Output
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together
from components.metrics.table import get_metric
from components.records import Utterance
from components.run_record import Score

PROPERTIES = ("language", "domain", "speaker", "length")
GROUP_METRICS = ("wer", "cer", "bleu", "chrf")
"""Metrics of groups; TER takes longer than all of them together."""


class GroupScores(NamedTuple):
    """Scores of the utterances whose property ``by`` is ``label``, by metric."""

    by: str
    label: str
    ids: tuple[str, ...]
    scores: dict[str, Score]


def score_groups(
    utterances: Sequence[Utterance],
    outputs: Mapping[Output, Mapping[str, str]],
    languages: Mapping[Output, Language],
    metrics: Sequence[str] = GROUP_METRICS,
    normalizer: str = BY_LANGUAGE,
) -> list[GroupScores]:
    """Score every group of utterances; properties that do not divide the data set are left out.

    Args:
        utterances: of the data set.
        outputs: texts of the system by utterance id, for each kind of output that it has.
        languages: of the transcripts and of the translations, for all utterances or by id.
        metrics: names of metrics.
        normalizer: that transcripts are counted under.
    """
    groups = [group for group in group_utterances(utterances) if group.by in PROPERTIES]
    if not groups:
        return []
    tables = dict(
        _measure(utterances, outputs, languages, [get_metric(name, normalizer) for name in metrics])
    )
    scored = []
    for group in groups:
        parts = {name: table.subset(units.ids_of(group.ids)) for name, (units, table) in tables.items()}
        draw_together(part for part in parts.values() if part.ids)
        scores = {name: part.to_score() for name, part in parts.items() if part.ids}
        if scores:
            scored.append(GroupScores(group.by, group.label, group.ids, scores))
    return scored


def _measure(
    utterances: Sequence[Utterance],
    outputs: Mapping[Output, Mapping[str, str]],
    languages: Mapping[Output, Language],
    metrics: Sequence[Metric],
) -> Iterator[tuple[str, tuple[ScoringUnits, CorpusStatistics]]]:
    for output, texts in outputs.items():
        units = ScoringUnits(utterances, output, languages[output])
        segments = units.align(texts, len(utterances))
        for metric in metrics:
            if segments is not None and metric.output == output:
                table = units.measure(metric, segments, len(utterances))
                if table is not None:
                    yield metric.name, (units, table)
