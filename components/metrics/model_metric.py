"""Metrics that a model computes, sentence by sentence: COMET, MetricX, similarity by an encoder.

A row knows everything but its model, which a user names behind a colon: ``comet:hub:Unbabel/wmt22-comet-da``.
Bound to a scorer (:func:`components.neural_metrics.factory.bind_metric`) it is a metric like any other: the
statistics of an utterance are its score and 1, and the corpus score is their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from components.errors import ConfigError
from components.metrics.metric import Metric, Need, Segments
from components.metrics.statistics.bootstrap import FloatArray
from components.records import Record, Text


class Sample(NamedTuple):
    """What one sentence is scored by; a scorer that has no use for source or references gets none."""

    hypothesis: str
    source: str = ""
    references: tuple[str, ...] = ()


class ErrorSpan(Record):
    """An error in a translation, as xCOMET marks it.

    Attributes:
        start: of the first character, in Unicode code points of the hypothesis.
        end: behind the last one.
        text: as the tokenizer writes it.
        severity: minor, major or critical.
        confidence: mean probability of that severity over its tokens, from 0 to 1.
    """

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: Text
    severity: str
    confidence: float = Field(ge=0, le=1)


class SentenceScore(NamedTuple):
    """The score of one sentence, in the model's own unit, and the errors that it marks."""

    value: float
    spans: tuple[ErrorSpan, ...] = ()


class SentenceScorer(Protocol):
    """A model that scores sentences: the one interface of metrics, utilities, gates, routes and tuning."""

    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Scores of samples, in order; equal texts are encoded once."""


@dataclass(frozen=True)
class ModelMetric(Metric):
    """A metric of a model.

    Attributes:
        family: what loads its model.
        scale: reported units per unit of the model: COMET is reported times 100, as tables do.
        about: paper and models, for people.
        example: how a user names it with a model.
        scorer: the model; None for the row of the table.
        model: the model and its settings in a line.
    """

    name: str
    label: str
    needs: frozenset[Need]
    family: Literal["comet", "xcomet", "metricx", "similarity", "chat"]
    higher_is_better: bool = True
    ceiling: float = 100.0
    worst: float = 0.0
    scale: float = 100.0
    about: str = ""
    example: str = ""
    scorer: SentenceScorer | None = field(default=None, repr=False, compare=False)
    model: str = ""
    output = "translation"
    needs_model: ClassVar[bool] = True

    def bind(self, scorer: SentenceScorer, model: str) -> ModelMetric:
        """The metric with its model, which ``model`` describes in a line."""
        return replace(self, scorer=scorer, model=model)

    def score(self, sums: FloatArray) -> FloatArray:
        """Means (...) of sums (..., 2) of scores and utterances."""
        return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))

    def statistics(self, segments: Segments) -> FloatArray:
        """(n, 2): every utterance's score, and 1."""
        values = [score.value * self.scale for score in self.score_samples(segments)]
        return np.stack([np.asarray(values, np.float64), np.ones(len(values))], 1)

    def score_samples(self, segments: Segments) -> list[SentenceScore]:
        """The model's own scores, with the errors that it marks."""
        return self.bound_scorer.score(self.samples(segments))

    def samples(self, segments: Segments) -> list[Sample]:
        """What the model reads of each utterance, and nothing else."""
        n = len(segments)
        sources = segments.sources if "source" in self.needs and segments.sources else ("",) * n
        references = [tuple(text for text in texts if text.strip()) for texts in segments.references]
        read = references if "reference" in self.needs else [()] * n
        return [Sample(*row) for row in zip(segments.hypotheses, sources, read, strict=True)]

    def signature(self, segments: Segments) -> str:
        """The model and how it scores."""
        del segments
        return f"{self.name}|{self.model}"

    @property
    def bound_scorer(self) -> SentenceScorer:
        """The scorer; ConfigError where the metric was named without a model."""
        if self.scorer is None:
            raise missing_model(self.name, self.example)
        return self.scorer


def missing_model(name: str, example: str) -> ConfigError:
    """The error of a metric without its model."""
    return ConfigError(
        f"metric {name}: expected the model that computes it, found none; name it behind a colon: {example}"
    )


_COMET = "Rei et al. 2022, https://aclanthology.org/2022.wmt-1.52"
_KIWI = "Rei et al. 2022, https://aclanthology.org/2022.wmt-1.60"
_XCOMET = "Guerreiro et al. 2024, https://doi.org/10.1162/tacl_a_00683"
_METRICX = "Juraska et al. 2024, https://aclanthology.org/2024.wmt-1.35"

BOTH: frozenset[Need] = frozenset({"source", "reference"})
SOURCE: frozenset[Need] = frozenset({"source"})
REFERENCE: frozenset[Need] = frozenset({"reference"})

MODEL_METRICS: tuple[ModelMetric, ...] = (
    ModelMetric(
        "comet", "COMET", BOTH, "comet", about=_COMET, example="comet:hub:Unbabel/wmt22-comet-da"
    ),
    ModelMetric(
        "cometkiwi", "CometKiwi", SOURCE, "comet", about=_KIWI,
        example="cometkiwi:hub:Unbabel/wmt22-cometkiwi-da",
    ),
    ModelMetric(
        "xcomet", "xCOMET", BOTH, "xcomet", about=_XCOMET, example="xcomet:hub:Unbabel/XCOMET-XL"
    ),
    ModelMetric(
        "xcomet_qe", "xCOMET-QE", SOURCE, "xcomet", about=_XCOMET,
        example="xcomet_qe:hub:Unbabel/XCOMET-XL",
    ),
    ModelMetric(
        "metricx", "MetricX", BOTH, "metricx", higher_is_better=False, ceiling=0.0, worst=25.0, scale=1.0,
        about=_METRICX, example="metricx:hub:google/metricx-24-hybrid-large-v2p6",
    ),
    ModelMetric(
        "metricx_qe", "MetricX-QE", SOURCE, "metricx", higher_is_better=False, ceiling=0.0, worst=25.0,
        scale=1.0, about=_METRICX, example="metricx_qe:hub:google/metricx-24-hybrid-large-v2p6",
    ),
    ModelMetric(
        "gemba", "GEMBA-DA", SOURCE, "chat", scale=1.0,
        about="Kocmi and Federmann 2023, https://aclanthology.org/2023.eamt-1.19",
        example="gemba:served:qwen3",
    ),
    ModelMetric(
        "bertscore", "BERTScore", REFERENCE, "similarity",
        about="Zhang et al. 2020, https://openreview.net/forum?id=SkeHuCVFDr",
        example="bertscore:hub:FacebookAI/xlm-roberta-large",
    ),
    ModelMetric(
        "sentence_cosine", "sentence cosine", REFERENCE, "similarity",
        about="Reimers and Gurevych 2019, https://aclanthology.org/D19-1410",
        example="sentence_cosine:packaged:all-minilm-l6-v2",
    ),
)  # fmt: skip
"""Metrics that need a model, in the order in which scores are listed."""
