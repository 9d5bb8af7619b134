"""Metrics that a model computes, sentence by sentence: COMET, MetricX, similarity by an encoder.

One knows everything but its model, which a user names behind a colon: ``comet:hub:Unbabel/wmt22-comet-da``.
Bound to a scorer (:func:`components.metrics.table.bind_metric`) it is a metric like any other: the statistics
of an utterance are its score and 1, and the corpus score is their mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Protocol

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
        """Return scores of samples, in order; equal texts are encoded once."""


@dataclass(frozen=True)
class ModelMetric(Metric):
    """A metric of a model.

    Attributes:
        scale: reported units per unit of the model: COMET is reported times 100, as tables do.
        about: paper and models, for people.
        example: how a user names it with a model.
        rank: its place in lists of scores.
        scorer: the model; None before it is named.
        model: the model and its settings in a line.
    """

    name: str
    label: str
    needs: frozenset[Need]
    higher_is_better: bool = True
    ceiling: float = 100.0
    worst: float = 0.0
    scale: float = 100.0
    about: str = ""
    example: str = ""
    rank: int = 1000
    scorer: SentenceScorer | None = field(default=None, repr=False, compare=False)
    model: str = ""
    output = "translation"
    needs_model: ClassVar[bool] = True

    @abstractmethod
    def open(self, reference: str, store: str | None, device: str) -> ModelMetric:
        """Return the metric with its model, which is loaded at the first score.

        Args:
            reference: of the model.
            store: URL of the store, for ``store:KEY``.
            device: of the model.

        Raises:
            ModelError: the model is not there, damaged, or of another metric.
        """

    def bind(self, scorer: SentenceScorer, model: str) -> ModelMetric:
        """Return the metric with its model, which ``model`` describes in a line."""
        return replace(self, scorer=scorer, model=model)

    def score(self, sums: FloatArray) -> FloatArray:
        """Return means (...) of sums (..., 2) of scores and utterances."""
        return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 2): every utterance's score, and 1."""
        values = [score.value * self.scale for score in self.score_samples(segments)]
        return np.stack([np.asarray(values, np.float64), np.ones(len(values))], 1)

    def score_samples(self, segments: Segments) -> list[SentenceScore]:
        """Return the model's own scores, with the errors that it marks."""
        return self.bound_scorer.score(self.samples(segments))

    def samples(self, segments: Segments) -> list[Sample]:
        """Return what the model reads of each utterance, and nothing else."""
        n = len(segments)
        sources = segments.sources if "source" in self.needs and segments.sources else ("",) * n
        references = [tuple(text for text in texts if text.strip()) for texts in segments.references]
        read = references if "reference" in self.needs else [()] * n
        return [Sample(*row) for row in zip(segments.hypotheses, sources, read, strict=True)]

    def signature(self, segments: Segments) -> str:
        """Return the model and how it scores."""
        return f"{self.name}|{self.model}"

    @property
    def bound_scorer(self) -> SentenceScorer:
        """The scorer; ConfigError where the metric was named without a model."""
        if self.scorer is None:
            raise missing_model(self.name, self.example)
        return self.scorer


def missing_model(name: str, example: str) -> ConfigError:
    """Return the error of a metric without its model."""
    return ConfigError(
        f"metric {name}: expected the model that computes it, found none; name it behind a colon: {example}"
    )
