"""What a user can set on a comparison of systems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from components.deprecated_names import read_deprecated_value
from components.metrics.choices import AnyMetricName, Test


def _read_old_test(value: object) -> object:
    return read_deprecated_value(value, "randomisation", "randomization", "test")


class ComparisonSettings(BaseModel):
    """How systems are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baseline: str | None = Field(
        None, title="Baseline", description="system that the others are tested against; the first if empty"
    )
    test: Annotated[Test, BeforeValidator(_read_old_test)] = Field(
        "bootstrap",
        title="Test",
        description="paired bootstrap (1,000 resamples) or approximate randomization (10,000 trials)",
    )
    metrics: tuple[AnyMetricName, ...] = Field(
        ("bleu", "chrf", "wer"),
        title="Metrics",
        description="scores to compare, the one that ranks first; TER is slow on large sets; models compute "
        "others, such as comet:hub:Unbabel/wmt22-comet-da (docs/metrics.md)",
    )
    missing: Literal["common", "empty"] = Field(
        "common",
        title="Missing outputs",
        description="compare what all systems have, or count an output that is missing as empty",
    )
    examples: int = Field(
        5, ge=0, le=50, title="Examples", description="utterances of largest gain and of largest loss"
    )
