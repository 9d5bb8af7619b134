"""Parameters of the flow `improve`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from flows.parameters.base import FlowParameters


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
