"""What a user can set on a comparison of systems."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.metrics.choices import AnyMetricName, TestChoice
from components.metrics.normalizers import BY_LANGUAGE, NORMALIZER_DESCRIPTION, NormalizerName
from components.stage_settings import Settings


class StatedComparison(BaseModel):
    """Two systems and a metric; also read from a text such as ``large versus small in chrf``."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Stated comparison")

    system: str = Field(description="what is tested")
    versus: str | None = Field(None, description="what it is tested against; the baseline if empty")
    metric: str | None = Field(None, description="the score, maybe an external one; what ranks if empty")

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = _STATED.fullmatch(value.strip())
        if words is None:
            raise ValueError(f"expected SYSTEM, SYSTEM versus OTHER or SYSTEM in METRIC, found {value!r}")
        return words.groupdict()


_STATED = re.compile(r"(?P<system>\S+)(?:\s+versus\s+(?P<versus>\S+))?(?:\s+in\s+(?P<metric>\S+))?")


class ComparisonSettings(Settings):
    """How systems are compared."""

    baseline: str | None = Field(
        None, title="Baseline", description="system that the others are tested against; the first if empty"
    )
    test: TestChoice = Field(
        "auto",
        title="Test",
        description="paired bootstrap (10,000 resamples) or approximate randomization (10,000 trials); "
        "auto is randomization below 50 utterances, where the bootstrap is too liberal",
    )
    metrics: tuple[AnyMetricName, ...] = Field(
        ("bleu", "chrf", "wer"),
        title="Metrics",
        description="scores to compare, the one that ranks first; TER is slow on large sets; models compute "
        "others, such as comet:hub:Unbabel/wmt22-comet-da (docs/evaluation/metrics.md)",
    )
    ranking: str | None = Field(
        None,
        title="Ranking",
        description="score that ranks (groups, examples, plots), maybe an external one; the first metric "
        "if empty",
    )
    primary: tuple[StatedComparison, ...] = Field(
        (),
        title="Stated comparisons",
        description="comparisons stated before the results are seen, corrected together; the others are "
        "not tested. If empty: every system against the baseline in the first of metrics",
    )
    missing: Literal["common", "empty"] = Field(
        "common",
        title="Missing outputs",
        description="compare what all systems have, or count an output that is missing as empty",
    )
    examples: int = Field(
        5, ge=0, le=50, title="Examples", description="utterances of largest gain and of largest loss"
    )
    normalizer: NormalizerName = Field(BY_LANGUAGE, title="Normalizer", description=NORMALIZER_DESCRIPTION)
    price_per_hour: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        title="Price per hour",
        description="price of an hour of the machine, in any currency, where a run does not state its own",
    )

    def deciding(self) -> dict[str, Any]:
        """Return what decides the comparison, for its key; some settings only where they are set."""
        when_set = {"ranking", "normalizer", "price_per_hour"}
        return self.model_dump(mode="json", exclude=when_set) | self.model_dump(
            mode="json", include=when_set, exclude_defaults=True
        )
