"""``score``: a number for each text by a model, such as CometKiwi or a forced score, for routes and more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from typing_extensions import override

from components import neural_metrics
from components.endpoints.connection import AnswerError
from components.errors import ConfigError, ModelError
from components.metrics.choices import MetricChoice
from components.metrics.metric_names import split_metric
from components.models.references import is_elsewhere
from components.models.sources.served import chat_fingerprints
from components.nodes.facts import Carry, Facts, Items
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext, NodeSettings
from components.records import Quarantined, Route
from components.refining.config import TEXT_ESTIMATE_NAMES
from components.stage_settings import Device
from components.text.languages import UNDETERMINED

if TYPE_CHECKING:
    from components.metrics.metric import Segments
    from components.metrics.model_metric import ModelMetric

WAY = "scored"
"""The way of every utterance: a score sends nobody anywhere."""
LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses", "sacrebleu")
"""What decides an estimate by a translator or a language model."""
ESTIMATE_VERSION = 2
"""Of the estimates that are no metrics: changes when their numbers do."""


class ScoreSettings(NodeSettings):
    """The metric and the device."""

    metric: Annotated[str, MetricChoice("translation", models="only", estimates=TEXT_ESTIMATE_NAMES)] = Field(
        description="NAME:MODEL; without references cometkiwi, xcomet_qe or metricx_qe "
        "(docs/evaluation/metrics.md); forward, dropout_forward (a translator), round_trip (one "
        "that translates back), fluency (a language model) (docs/evaluation/confidence.md)",
        examples=["cometkiwi:hub:Unbabel/wmt22-cometkiwi-da", "forward:packaged:multi30k-en-de"],
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    def key_parameters(self) -> dict[str, Any]:
        """Return the metric's name; its model is a weight of the key."""
        return {"metric": split_metric(self.metric)[0]}


def _model_of(settings: ScoreSettings) -> str:
    return str(split_metric(settings.metric)[1])


class ScoreTexts(Kind[ScoreSettings]):
    """Gives a table of numbers, which ``route`` reads as ``by: value``.

    A metric that needs references serves to find out what a perfect estimate would gain.
    """

    name = "score_texts"
    summary = "a number for each text by a model: CometKiwi, a forced score, a round trip"
    settings = ScoreSettings
    output = "table"
    items = Items(Carry.SOURCE)

    @override
    def facts(self, settings: ScoreSettings) -> Facts:
        is_estimate, is_judge = bool(_estimate_of(settings)), _is_judge(settings)
        libraries = LIBRARIES if is_estimate else ("torch", "transformers")
        return replace(
            super().facts(settings),
            version=f"estimate/{ESTIMATE_VERSION}" if is_estimate else str(neural_metrics.version),
            libraries=() if is_judge else libraries,
            models={"model": _model_of(settings)},
            device=None if is_judge else settings.device,
        )

    @override
    def digests(self, settings: ScoreSettings, context: NodeContext) -> dict[str, str]:
        """Return what the server of a served model says of itself."""
        return chat_fingerprints(self.facts(settings).models)

    @override
    def check(self, settings: ScoreSettings, context: NodeContext) -> None:
        """Check the model's name, and that there is a source to compare with."""
        from components import models  # noqa: PLC0415 - imports torch

        if context.transcripts and _estimate_of(settings) != "fluency":
            raise ConfigError("of: expected a translation, whose source the metric reads, found a transcript")
        models.check(_model_of(settings), context.store, served=_is_judge(settings))

    @override
    def validate_models(self, settings: ScoreSettings, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that the model computes this metric."""
        from components.metrics.table import bind_metric  # noqa: PLC0415 - imports torch
        from components.refining.checks import validate_text_estimator  # noqa: PLC0415 - imports torch

        name = _estimate_of(settings)
        if name is not None:
            try:
                validate_text_estimator(name, _model_of(settings), context.store, pairs)
            except ConfigError as error:
                raise ConfigError(f"metric: {error}") from error
            return
        bind_metric(settings.metric, context.store, settings.device)

    @override
    def build(self, settings: ScoreSettings, context: NodeContext) -> Component:
        from components.decoding.isolation import isolate  # noqa: PLC0415 - imports torch
        from components.metrics.model_metric import ModelMetric  # noqa: PLC0415 - imports numpy
        from components.metrics.table import bind_metric  # noqa: PLC0415 - imports torch

        if _estimate_of(settings) is not None:
            return _build_estimator(settings, context, _model_of(settings))
        metric = bind_metric(settings.metric, context.store, settings.device)
        assert isinstance(metric, ModelMetric)

        def score(items: Sequence[Item]) -> list[Route | Quarantined]:
            segments = segments_of(items)
            selected = metric.select(segments)
            scores = isolate(metric.bound_scorer.score, metric.samples(selected), AnswerError)
            values = {
                i: s.value * metric.scale
                for i, s in zip(selected.ids, scores, strict=True)
                if not isinstance(s, ModelError)
            }
            return [_outcome(item, values, metric, context.name) for item in items]

        return score


def _is_judge(settings: ScoreSettings) -> bool:
    name, model = split_metric(settings.metric)
    return name == "gemba" and model is not None and is_elsewhere(model)


def _estimate_of(settings: ScoreSettings) -> str | None:
    """Return the name of an estimate that is no metric; None for a metric."""
    name = split_metric(settings.metric)[0]
    return name if name in TEXT_ESTIMATE_NAMES else None


def _build_estimator(settings: ScoreSettings, context: NodeContext, model: str) -> Component:
    from components.refining.judging.text_estimators import TEXT_ESTIMATORS  # noqa: PLC0415 - imports torch

    name = str(_estimate_of(settings))
    try:
        estimate = TEXT_ESTIMATORS[name](model, settings.device, context.store)
    except ConfigError as error:
        raise ConfigError(f"metric: {error}") from error

    def score(items: Sequence[Item]) -> list[Route | Quarantined]:
        texts = ["" if item.nbest is None else item.nbest.best.text for item in items]
        values = estimate([item.utterance for item in items], texts)
        return [
            Route(utterance_id=item.utterance.id, branch=WAY, value=value)
            for item, value in zip(items, values, strict=True)
        ]

    return score


def segments_of(items: Sequence[Item]) -> Segments:
    """Return the texts of items beside their sources and references."""
    from components.metrics.metric import Segments  # noqa: PLC0415 - imports numpy

    return Segments(
        ids=tuple(item.utterance.id for item in items),
        hypotheses=tuple("" if item.nbest is None else item.nbest.best.text for item in items),
        languages=tuple(item.utterance.target_language or UNDETERMINED for item in items),
        references=tuple(item.utterance.references for item in items),
        sources=tuple(item.utterance.text or "" for item in items),
    )


def _outcome(item: Item, values: Mapping[str, float], metric: ModelMetric, node: str) -> Route | Quarantined:
    utterance_id = item.utterance.id
    if utterance_id in values:
        return Route(utterance_id=utterance_id, branch=WAY, value=values[utterance_id])
    detail = f"expected {' and '.join(sorted(metric.needs))} for {metric.name}, found less"
    return Quarantined(utterance_id=utterance_id, stage=node, reason="no score", detail=detail)
