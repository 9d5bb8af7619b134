"""Parameters of the flow `contribution`."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.metrics.choices import TranslationMetricName
from flows.parameters.base import FlowParameters


class ContributionParameters(FlowParameters):
    """What can be set on a contribution."""

    model_config = ConfigDict(title="Contribution")

    run: str = Field(description="a finished run with members, inputs, sources, rounds or experts")
    metric: TranslationMetricName = Field(
        "bleu", description="of translations; transcripts count by WER, experts by likelihood"
    )
    limit: int | None = Field(None, ge=1, description="experts: only the first so many development sentences")
