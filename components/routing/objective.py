"""What a route is learned for: a budget, a target or a guarantee; imports no numpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.routing.bad_outputs import BadOutput, parse_bad_output
from components.stage_settings import Settings

MIN_UTTERANCES = 50
"""Development utterances that a route is learned from at least."""


class Target(Settings):
    """A corpus score to reach."""

    metric: str | None = Field(None, description="wer, cer, ter, chrf or bleu; must be that of the route")
    value: float = Field(description="on the scale of reports: wer 8.0 is 8%", allow_inf_nan=False)


class GuaranteeSettings(Settings):
    """A bound on the bad outputs that stay with the cheap system."""

    risk: float = Field(gt=0, lt=1, description="share of bad outputs that may stay", examples=[0.1])
    confidence: float = Field(0.95, gt=0, lt=1, description="that the share is no larger")
    bad: str = Field(description="METRIC OPERATOR NUMBER of one output", examples=["wer > 0.2", "chrf < 40"])
    among: Literal["all", "kept"] = Field(
        "all", description="the share is of all utterances, or of those that stay"
    )

    @field_validator("bad")
    @classmethod
    def _check_bad(cls, text: str) -> str:
        parse_bad_output(text)
        return text

    @property
    def condition(self) -> BadOutput:
        """What counts as bad."""
        return parse_bad_output(self.bad)


class Objective(Settings):
    """What a threshold is learned for: exactly one of four."""

    budget: float | None = Field(None, gt=0, le=1, description="share of utterances that escalate at most")
    budget_seconds: float | None = Field(
        None, gt=0, description="seconds of computing per second of audio (per utterance of text) at most"
    )
    target: Target | None = Field(None, description="the fewest escalate that reach this on dev")
    guarantee: GuaranteeSettings | None = Field(
        None, description="the fewest escalate so that bad outputs that stay are bounded"
    )

    @model_validator(mode="after")
    def _check_one(self) -> Objective:
        if len(self.parts) > 1:
            raise ValueError(f"expected one of {', '.join(OBJECTIVES)}, found {' and '.join(self.parts)}")
        return self

    @property
    def parts(self) -> list[str]:
        """The names of what is set."""
        return [name for name in OBJECTIVES if getattr(self, name) is not None]

    def describe(self) -> str:
        """Return it in words, empty where nothing is set."""
        if self.budget is not None:
            return f"at most {self.budget:.4g} of the utterances"
        if self.budget_seconds is not None:
            return f"at most {self.budget_seconds:g} s of computing per second of audio or utterance"
        if self.target is not None:
            return f"{self.target.metric or 'score'} {self.target.value:g}"
        if self.guarantee is not None:
            asked = self.guarantee
            whose = "utterances" if asked.among == "all" else "those that stay"
            return f"{asked.condition} of at most {asked.risk:.3g} of {whose} ({asked.confidence:.3g})"
        return ""


OBJECTIVES = tuple(Objective.model_fields)
