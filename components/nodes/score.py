"""``score``: a number for each text by a model, such as CometKiwi's estimate of a translation; for routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from components import neural_metrics
from components.endpoints.connection import AnswerError
from components.errors import ConfigError, ModelError
from components.languages import UNDETERMINED
from components.metrics.choices import ModelMetricName
from components.metrics.metric_names import split_metric
from components.models.sources.served import chat_fingerprints, is_served
from components.nodes.kind import Component, Item, Kind, LanguagePairs, NodeSettings, Site
from components.records import Quarantined, Route

if TYPE_CHECKING:
    from components.metrics.metric import Segments
    from components.metrics.model_metric import ModelMetric

WAY = "scored"
"""The way of every utterance: a score sends nobody anywhere."""


class ScoreSettings(NodeSettings):
    """The metric and the device."""

    metric: ModelMetricName = Field(
        description="NAME:MODEL; without references cometkiwi, xcomet_qe or metricx_qe (docs/metrics.md)",
        examples=["cometkiwi:hub:Unbabel/wmt22-cometkiwi-da"],
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")


class ScoreKind(Kind[ScoreSettings]):
    """Gives a table of numbers, which ``route`` reads as ``by: value``.

    A metric that needs references serves to find out what a perfect estimate would gain.
    """

    name = "score"
    summary = "a number for each translation by a model of quality, such as CometKiwi, for route"
    settings = ScoreSettings
    gives = "table"
    needs_inputs = True
    looks_back = True

    def version(self, settings: ScoreSettings) -> str:
        """Return the version of the scorers."""
        return str(neural_metrics.version)

    def libraries(self, settings: ScoreSettings) -> tuple[str, ...]:
        """Return the libraries of the model; a served one has its own."""
        return () if _is_judge(settings) else ("torch", "transformers")

    def digests(self, settings: ScoreSettings, site: Site) -> dict[str, str]:
        """Return what the server of a served model says of itself."""
        return chat_fingerprints(**self.models(settings))

    def models(self, settings: ScoreSettings) -> dict[str, str]:
        """Return the model."""
        return {"model": str(split_metric(settings.metric)[1])}

    def parameters(self, settings: ScoreSettings, site: Site) -> dict[str, Any]:
        """Return the metric's name."""
        return {"metric": split_metric(settings.metric)[0]}

    def device(self, settings: ScoreSettings) -> str | None:
        """Return the device that is set; None for a served model, which computes elsewhere."""
        return None if _is_judge(settings) else settings.device

    def check(self, settings: ScoreSettings, site: Site) -> None:
        """Check the model's name, and that there is a source to compare with."""
        from components import models  # noqa: PLC0415 - imports torch

        if site.transcripts:
            raise ConfigError("of: expected a translation, whose source the metric reads, found a transcript")
        models.check(self.models(settings)["model"], site.store, served=_is_judge(settings))

    def validate_models(self, settings: ScoreSettings, site: Site, pairs: LanguagePairs) -> None:
        """Check that the model computes this metric."""
        from components.neural_metrics.factory import bind_metric  # noqa: PLC0415 - imports torch

        bind_metric(settings.metric, site.store, settings.device)

    def build(self, settings: ScoreSettings, site: Site) -> Component:
        """Return the scorer."""
        from components.decoding.isolation import isolate  # noqa: PLC0415 - imports torch
        from components.metrics.model_metric import ModelMetric  # noqa: PLC0415 - imports numpy
        from components.neural_metrics.factory import bind_metric  # noqa: PLC0415 - imports torch

        metric = bind_metric(settings.metric, site.store, settings.device)
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
            return [_outcome(item, values, metric, site.name) for item in items]

        return score


def _is_judge(settings: ScoreSettings) -> bool:
    name, model = split_metric(settings.metric)
    return name == "gemba" and model is not None and is_served(model)


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
        return Route(utterance_id=utterance_id, way=WAY, value=values[utterance_id])
    detail = f"expected {' and '.join(sorted(metric.needs))} for {metric.name}, found less"
    return Quarantined(utterance_id=utterance_id, stage=node, reason="no score", detail=detail)
