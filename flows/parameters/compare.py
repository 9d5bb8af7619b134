"""Parameters of the flow `compare`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from components.comparison.comparison_settings import ComparisonSettings
from components.metrics.scores_settings import ScoresFile
from flows.parameters.base import DataParameters, check_metric_names

FlowName = Literal["cascade", "stack", "ensemble", "refine", "pipeline"]
"""Flows whose systems can be compared: those that run over a data set."""


class SystemConfig(BaseModel):
    """One system: a flow and what is set on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="System")

    name: str = Field(description="its name in the tables", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    flow: FlowName = Field("cascade", description="the flow that it is a configuration of")
    parameters: dict[str, JsonValue] = Field(
        {}, description="what differs from the flow's defaults, as in its own YAML file"
    )


class CompareParameters(ComparisonSettings, DataParameters):
    """What can be set on a comparison: the systems, the data that they share, and how they are compared."""

    model_config = ConfigDict(title="Comparison")

    systems: tuple[SystemConfig, ...] = Field(
        (), max_length=20, description="systems to run, each a flow with its parameters"
    )
    runs: tuple[str, ...] = Field(
        (), max_length=20, title="Finished runs", description="names of runs in the store to take as they are"
    )
    data: str | None = Field(None, description="data set of all systems; the flow's own default if empty")

    scores: tuple[ScoresFile, ...] = Field(
        (),
        max_length=20,
        title="External scores",
        description="files of scores that somebody else gave (id, system, value), tested as any metric; "
        "NAME=FILE, NAME=FILE:lower where lower is better (docs/evaluation/judgements.md)",
    )
    sequential: bool = Field(
        False,
        description="also test at every look: a verdict that holds however often these data are looked at as "
        "they grow; systems that run here stop as soon as it is there",
    )
    margin: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="sequential: a difference below so many points does not matter; equivalence is a verdict",
    )
    blame: bool = Field(False, description="of each cascade also say which stage loses what")

    _check_metrics = field_validator("metrics")(check_metric_names)

    @property
    def is_sequential(self) -> bool:
        """Whether differences are tested at every look."""
        return self.sequential or self.margin is not None

    def settings(self) -> ComparisonSettings:
        """Return how the systems are compared."""
        return ComparisonSettings.model_validate(
            self.model_dump(include=set(ComparisonSettings.model_fields))
        )
