"""How the texts of a stage are measured: against which references, and by which metrics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError

from components import metrics
from components.analysis.texts_to_score import Languages
from components.metrics.libraries import scoring_libraries
from components.metrics.metric import Metric, example_segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.table import metrics_of, term_metrics
from components.records import Record
from components.storage.stages.stage_plan import StagePlan

VERSION = "statistics/1"


class Protocol(Record):
    """How the texts of a stage are measured, as plain data: it travels to other processes.

    Attributes:
        language: none for transcripts, ``target`` for the language of the references, or a code.
        target_language: of the run.
        normalizer: that transcripts are counted under.
        phrases: terms by which they are scored, too.
    """

    language: str | None
    target_language: str | None
    normalizer: str = BY_LANGUAGE
    phrases: tuple[str, ...] = ()

    @property
    def languages(self) -> Languages:
        """Of the texts and of the run."""
        return Languages(self.language, self.target_language)

    @cached_property
    def counted(self) -> list[Metric]:
        """The metrics of all texts of this kind."""
        return list(metrics_of(self.languages.output, self.normalizer).values())

    @cached_property
    def of_terms(self) -> list[Metric]:
        """The metrics of texts that should have terms; the recall of terms first."""
        return term_metrics(self.phrases, self.languages.output, self.normalizer) if self.phrases else []

    @cached_property
    def fingerprint(self) -> str:
        """The digest of everything that decides statistics, beside the texts and their references."""
        rows = [*self.counted, *self.of_terms]
        plan = StagePlan(
            stage="statistics",
            kind="statistics",
            version=f"{VERSION} metrics/{metrics.version}",
            parameters={
                **self.model_dump(mode="json"),
                "metrics": {row.name: _describe(row) for row in rows},
            },
            libraries=scoring_libraries(self.normalizer),
        )
        return plan.fingerprint


def _describe(metric: Metric) -> str:
    """Return how a metric counts English; it is left to its name where what counts is not installed."""
    try:
        return metric.signature(example_segments(frozenset({("en", 1)})))
    except PackageNotFoundError:
        return ""


def make_protocol(
    language: str | None, target_language: str | None, normalizer: str, terms: Sequence[tuple[str, str]]
) -> Protocol:
    """Return the protocol of a stage's texts.

    Args:
        language: of the texts, as :class:`Protocol` has it.
        target_language: of the run.
        normalizer: that transcripts are counted under.
        terms: source and target of those of the lists of the run's nodes.
    """
    phrases = [text for source, target in terms if (text := source if language is None else target)]
    return Protocol(
        language=language,
        target_language=target_language,
        normalizer=normalizer,
        phrases=tuple(dict.fromkeys(phrases)),
    )
