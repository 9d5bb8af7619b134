"""The settings of routes: what decides, the ways, and what a threshold is learned for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.folds import LARGEST
from components.nodes.measures import CONFIDENCE, FEATURES, doubtful_end
from components.nodes.node_context import NodeContext
from components.routing.objective import OBJECTIVES, Objective
from components.routing.route_fit import Doubtful
from components.stage_settings import TableOf

LABELS = ("language", "domain")
"""Names of labels that decide by ``ways``."""
ESCALATE, KEEP = "escalate", "keep"
"""The ways of a threshold."""
FOLD = "fold"
"""Decides by the utterance's id alone: ways ``fold-1`` to ``fold-N``."""
Several = Annotated[tuple[str, ...], Field(min_length=1)]
_WAY = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NUMBERS = (
    "length (characters), seconds (of speech), value (of a table that is read), "
    + ", ".join(FEATURES)
    + ", or another feature of the best hypothesis (Whisper: no_speech, compression_ratio, temperature)"
)


class LearnedRouteSettings(Objective):
    """What a route and the node that learns it share."""

    by: str | Several = Field(
        CONFIDENCE,
        description=f"the number: {_NUMBERS}; of several, what escalation gains is predicted from them",
    )
    doubtful: Doubtful | None = Field(
        None,
        description="the end of the number that escalates: low or high (default: by the number)",
    )
    metric: Literal["wer", "cer", "ter", "chrf", "bleu"] | None = Field(
        None, description="of the cost-quality curve and the target; wer of transcripts, chrf of translations"
    )

    @property
    def doubtful_end(self) -> Doubtful:
        """The end of the number that escalates."""
        if self.by_several:
            return "high"  # what is predicted is the gain
        return self.doubtful or doubtful_end(str(self.by))

    @property
    def by_several(self) -> tuple[str, ...]:
        """The numbers, where there are several."""
        return self.by if isinstance(self.by, tuple) else ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers, one or several."""
        return self.by if isinstance(self.by, tuple) else (self.by,)

    @model_validator(mode="after")
    def _check_metric(self) -> LearnedRouteSettings:
        asked = self.target.metric if self.target else None
        if asked and self.metric and asked != self.metric:
            raise ValueError(f"expected one metric, found {self.metric} and a target in {asked}")
        if self.by_several and self.guarantee is not None:
            raise ValueError(
                "by: expected one number for a guarantee, found several, which would be fitted on its data; "
                "fit them by a node of kind estimate on other data, and say by: confidence"
            )
        if self.by_several and self.doubtful is not None:
            raise ValueError("doubtful: expected none for several numbers, whose predicted gain decides")
        return self


class FitRouteSettings(LearnedRouteSettings):
    """What is learned."""

    @model_validator(mode="after")
    def _check_objective(self) -> FitRouteSettings:
        if not self.parts:
            raise ValueError(f"expected one of {', '.join(OBJECTIVES)}, found none")
        if self.by in LABELS:
            raise ValueError(f"by: expected a number, found the label {self.by}")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return what is set."""
        return self.model_dump(mode="json", exclude_none=True)


class RouteSettings(LearnedRouteSettings):
    """What decides, and the ways."""

    by: str | Several = Field(
        CONFIDENCE,
        description=f"language or domain (with ways); fold (with folds); or a number: {_NUMBERS}; or "
        "with dev several, which predict what escalation gains",
    )
    folds: int | None = Field(
        None, ge=2, le=LARGEST, description="with by: fold: ways fold-1 to fold-N, by the ids alone"
    )
    branches: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="way -> languages or domains that go there, such as german: [de]"
    )
    otherwise: str = Field("otherwise", description="the way of all others")
    below: float | None = Field(None, description="numbers below it go the way escalate, others keep")
    above: float | None = Field(None, description="numbers above it go the way escalate, others keep")
    fitted: Annotated[str | None, TableOf("fit_route", from_dev=True)] = Field(
        None, description="a node of kind fit_route, which learned the threshold"
    )
    tiers: tuple[str, ...] = Field(
        (),
        max_length=2,
        description="with dev: the cheap and the expensive node, to learn from",
    )

    @model_validator(mode="after")
    def _check_ways(self) -> RouteSettings:
        has_threshold = bool(self.limits)
        learned = [*self.parts, *(["fitted"] if self.fitted else [])]
        if (self.folds is None) == (self.by == FOLD):
            raise ValueError("expected by: fold together with folds: N, found one of them")
        if self.by == FOLD:
            if self.branches or has_threshold or learned:
                raise ValueError("by: fold: expected folds: N alone, found ways, a threshold or an objective")
        elif self.by in LABELS:
            if not self.branches:
                raise ValueError(
                    f"branches: expected some such as {{german: [de]}} for by: {self.by}, found none"
                )
            if has_threshold or learned:
                raise ValueError(f"expected ways for by: {self.by}, found {(learned or ['a threshold'])[0]}")
        elif self.branches:
            raise ValueError(f"branches: expected below or above for the number {self.by}, found ways")
        elif has_threshold and learned:
            raise ValueError(f"expected a threshold or {learned[0]}, found both")
        elif self.parts and not self.fitted:
            raise ValueError(f"{self.parts[0]}: expected dev: DATA SET, or fitted: NODE, found neither")
        elif not has_threshold and not learned:
            raise ValueError(f"expected below or above for by: {self.by}, found neither")
        elif has_threshold and self.by_several:
            raise ValueError("by: expected one number for a threshold, found several")
        _check_names(self.branches, self.otherwise)
        return self

    @property
    def limits(self) -> dict[str, float]:
        """The thresholds that are set."""
        limits = {"below": self.below, "above": self.above}
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """The ways."""
        if self.folds is not None:
            return tuple(f"{FOLD}-{number}" for number in range(1, self.folds + 1))
        return (*self.branches, self.otherwise) if self.by in LABELS else (ESCALATE, KEEP)

    def key_parameters(self) -> dict[str, Any]:
        """Return what decides the ways, as in keys from before there were learned routes."""
        own = {"by", "branches", "otherwise", "below", "above"}
        return self.model_dump(mode="json", include=own if self.folds is None else {"by", "folds"})


def _check_names(branches: dict[str, tuple[str, ...]], otherwise: str) -> None:
    for branch in (*branches, otherwise):
        if not _WAY.fullmatch(branch):
            raise ValueError(f"branches: expected names of a-z, 0-9, '-' and '_', found {branch!r}")
    labels = [label for way_labels in branches.values() for label in way_labels]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None or otherwise in branches:
        raise ValueError(f"branches: expected one way each, found two for {twice or otherwise!r}")


def tiers_of(context: NodeContext) -> tuple[str, ...]:
    """Return the rungs among the inputs, the cheap one first: the last two that are texts."""
    texts = [name for name, sort in zip(context.of, context.types, strict=True) if sort == "text"]
    return tuple(texts[-2:])


def describe_number(by: str | tuple[str, ...]) -> str:
    """Return what decides in words."""
    return by if isinstance(by, str) else f"gain by {', '.join(by)}"
