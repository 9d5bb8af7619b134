"""Parameters of the flows that analyze one finished run: `blame`, `contribution` and `improve`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from components.metrics.choices import TranslationMetricName
from flows.parameters.base import FlowParameters


class BlameParameters(FlowParameters):
    """What can be set on a blame."""

    model_config = ConfigDict(title="Blame")

    run: str = Field(description="a finished run of any pipeline that translates speech or revises a draft")
    human_scores: dict[Literal["bleu", "chrf"], float] = Field(
        {},
        title="Human scores",
        description="what a human translation scores against the same references, such as {bleu: 55}; only "
        "with it a stage is named that loses most",
    )
    segments: str | None = Field(
        None,
        title="Gold segments",
        description="the same recordings cut by hand (offset, duration): their cutting is blamed too",
    )


class ContributionParameters(FlowParameters):
    """What can be set on a contribution."""

    model_config = ConfigDict(title="Contribution")

    run: str = Field(description="a finished run with members, inputs, sources, rounds or experts")
    metric: TranslationMetricName = Field(
        "bleu", description="of translations; transcripts count by WER, experts by likelihood"
    )
    limit: int | None = Field(None, ge=1, description="experts: only the first so many development sentences")


class ImproveParameters(FlowParameters):
    """What can be set on an improvement."""

    model_config = ConfigDict(title="Improvement")

    run: str = Field(description="a finished run of any pipeline that translates speech or revises a draft")
    budget: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="seconds for trying remedies and running the best; if empty they are only listed",
    )
    probe: int = Field(
        50, ge=10, le=10_000, description="utterances, drawn at random, that remedies are tried on"
    )
    metric: Literal["chrf", "bleu"] = Field(
        "chrf", description="of translations, that gains are counted in; chrf is steadier on few utterances"
    )
    share: float = Field(
        0.3, gt=0, lt=1, description="route: share of the utterances that the larger recognizer hears"
    )
    recognizer: str | None = Field(
        None, description="larger recognizer, route: the model; the next of its family if empty"
    )
    refiner: str | None = Field(
        None, description="refinement: the language model; that of kind refine if empty"
    )
    gate_model: str | None = Field(
        None, description="refinement: the model that judges revisions; that of kind refine if empty"
    )
    terms: str | None = Field(None, description="terms: file of terms (docs/use/terms.md)")
    soup: tuple[str, ...] = Field(
        (), description="soup: models to average with the translator, fine-tunings of the same start"
    )
