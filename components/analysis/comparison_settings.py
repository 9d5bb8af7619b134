"""What a user can set on a comparison of systems."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from components.metrics.choices import MetricName, Test


class ComparisonSettings(BaseModel):
    """How systems are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baseline: str | None = Field(
        None, title="Baseline", description="system that the others are tested against; the first if empty"
    )
    test: Test = Field(
        "bootstrap",
        title="Test",
        description="paired bootstrap (1,000 resamples) or approximate randomisation (10,000 trials)",
    )
    metrics: tuple[MetricName, ...] = Field(
        ("bleu", "chrf", "wer"),
        title="Metrics",
        description="scores to compare, the one that ranks first; TER is slow on large sets",
    )
    missing: Literal["common", "empty"] = Field(
        "common",
        title="Missing outputs",
        description="compare what all systems have, or count an output that is missing as empty",
    )
    examples: int = Field(
        5, ge=0, le=50, title="Examples", description="utterances of largest gain and of largest loss"
    )
