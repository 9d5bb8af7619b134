"""Parameters of the flow `blame`."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

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
