"""Scores of single translations by models, and the errors that they mark, as a run has stored them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from components.metrics.metric import align_segments
from components.metrics.model_metric import ErrorSpan, ModelMetric, SentenceScore
from components.metrics.sentence_scores import STAGE_KIND, digest_sample, index_scores, name_stage
from components.metrics.table import METRICS, sort_metrics
from components.records import Utterance
from components.run_record import RunRecord


class Judgment(NamedTuple):
    """What a model says of one text: its metric, the value as it is reported, and errors."""

    label: str
    value: float
    spans: tuple[ErrorSpan, ...] = ()
    higher_is_better: bool = True


class StoredJudgments:
    """The sentence scores of a run, by node.

    Args:
        run: its record; stages lie where it says.
    """

    def __init__(self, run: RunRecord) -> None:
        self._tables: dict[str, list[tuple[ModelMetric, Mapping[str, SentenceScore]]]] = {}
        scored = {ref.stage: ref for ref in run.stages if ref.kind == STAGE_KIND}
        for node in run.pipeline.nodes:
            for metric in _metrics_of(node.name, scored):
                table = (metric, index_scores(scored[name_stage(node.name, metric.name)]))
                self._tables.setdefault(node.name, []).append(table)

    def of(self, node: str, utterance: Utterance, text: str) -> list[Judgment]:
        """Return what models said of a node's text of an utterance; nothing of a recording in segments."""
        if node not in self._tables:
            return []
        source = utterance.text or utterance.transcript or ""
        segments = align_segments(
            {utterance.id: utterance.references},
            {utterance.id: text},
            utterance.target_language or utterance.source_language,
            1,
            sources={utterance.id: source},
        )
        judgments = []
        for metric, scores in self._tables[node]:
            score = scores.get(digest_sample(metric.samples(segments)[0]))
            if score is not None:
                value = score.value * metric.scale
                judgments.append(Judgment(metric.label, value, score.spans, metric.higher_is_better))
        return judgments


def _metrics_of(node: str, stages: Collection[str]) -> list[ModelMetric]:
    """Return the metrics of models by which a node's texts are scored in some stages."""
    names = [stage.removeprefix(f"{node}-") for stage in stages if stage.startswith(f"{node}-")]
    known = (METRICS[name] for name in sort_metrics(name for name in names if name in METRICS))
    return [metric for metric in known if isinstance(metric, ModelMetric)]
