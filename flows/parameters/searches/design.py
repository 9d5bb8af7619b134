"""Parameters of the flow `design`: the data, the models that may be used, the limits, the objectives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, field_validator
from typing_extensions import override

from components.design.candidates import Candidate
from components.design.goal import Limits
from components.design.models import absolute
from components.errors import ConfigError
from components.files.yaml_text import Places
from components.own_code import code_permission
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.tuning.objectives import Objective, read_objective
from flows.parameters.base import DataParameters
from flows.parameters.pipeline_files import is_pipeline_file
from flows.parameters.searches.unseen_data import UnseenData

COSTS = ("seconds", "seconds_per_hour", "price")
"""Costs that a front can be over."""


class DesignParameters(UnseenData, DataParameters):
    """What a system is for, of which models it may be made, and what it may cost."""

    model_config = ConfigDict(title="Design")

    confirm: str = Field(
        "0.5",
        title="Data to confirm on",
        description="data that the search never sees, on which the front is claimed; or the share of the "
        "data to set aside for that",
    )
    models: tuple[str, ...] = Field(
        (),
        description="models that may be used, small to large; TASK=MODEL where its configuration does not "
        "say what it does (recognize, translate, translate_speech); empty: those that this machine has",
    )
    templates: tuple[str, ...] = Field(
        (),
        description="templates that may be used (docs/families/design.md), and files of your own graphs, "
        "with search; empty: all templates",
    )
    limits: Limits = Field(Limits(), description="what a system may cost")
    objectives: tuple[str, ...] = Field(
        (),
        max_length=2,
        description="the score, and the cost that the front is over: seconds, seconds_per_hour or price; "
        "empty: chrf (wer of transcripts) and seconds",
    )
    budget: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="seconds of computing for the search; no limit if empty"
    )
    tries: int = Field(
        100, ge=1, le=1000, description="candidates at most; of more, a sampler draws those that promise most"
    )
    rungs: int = Field(3, ge=1, le=6, description="how often the data grow")
    reduction_factor: int = Field(3, ge=2, le=10, title="Reduction factor", description="by which they grow")
    share: float = Field(
        0.24,
        gt=0,
        le=1,
        description="of the seconds that all candidates would take on all data: what the search may take",
    )
    margin: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="points by which a system of the front may be dominated; empty: the least that the data "
        "allow",
    )
    estimator: str | None = Field(
        None,
        description="for data without references: the score is what this estimator expects of the texts "
        "(packaged:NAME, store:RUN or a path); empty: how far they are those of the largest model",
    )
    parallel: int = Field(8, ge=1, le=64, description="candidates that are computed together, as one graph")
    train: str | None = Field(None, description="template distil: parallel text to learn from")
    dev: str | None = Field(None, description="template distil: parallel text that chooses its checkpoint")

    @field_validator("models", "templates", "objectives", mode="before")
    @classmethod
    def _read_names(cls, value: Any) -> Any:
        """Take ``auto`` as none, and a name as a list of one."""
        return () if value in (None, "auto") else [value] if isinstance(value, str) else value

    @property
    def cost(self) -> str:
        """Name of the cost that the front is over."""
        return next((name for name in self.objectives if name in COSTS), COSTS[0])

    @property
    def goal(self) -> dict[str, str | None]:
        """Words that templates need."""
        named = {"train": self.train, "dev": self.dev}
        return {word: None if name is None else absolute(name) for word, name in named.items()}

    def objective(self, candidate: Candidate) -> Objective:
        """Return the score, as it reads the texts of a candidate.

        Raises:
            ConfigError: there is no such metric, or candidates do not give what it scores.
        """
        pipeline = self.read_graph(candidate.graph)
        names = [name for name in self.objectives if name not in COSTS]
        if len(names) > 1:
            raise ConfigError(f"objectives: expected a score and a cost, found {' and '.join(names)}")
        usual = "chrf" if "translation" in candidate.graph["outputs"] else "wer"
        return read_objective(names[0] if names else usual, pipeline)

    def graph_of(self, graph: Mapping[str, Any]) -> dict[str, Any]:
        """Return a graph with the languages of the run."""
        languages = {name: code for name, code in self.languages.items() if code is not None}
        return {**graph, **languages}

    def read_graph(self, graph: Mapping[str, Any]) -> Pipeline:
        """Return the pipeline of a graph, whose files lie in the folder that it states."""
        values = self.graph_of(graph)
        return read_pipeline(values, folder=Path(values.pop("folder", ".")))

    @override
    def read_from(self, file: Path, places: Places) -> Self:
        """See :meth:`.FlowParameters.read_from`; own code of files that the goal names may run."""
        if any(map(is_pipeline_file, self.templates)):
            code_permission.allow_own_code()
        return self

    def check_goal(self) -> None:
        """Refuse what can be seen to be wrong without the data.

        Raises:
            ConfigError: what.
        """
        share = self.confirm_share
        if share is not None and not 0 < share < 1:
            raise ConfigError(f"confirm: expected a share between 0 and 1, found {self.confirm}")
        missing = [name for name in self.templates if is_pipeline_file(name) and not Path(name).is_file()]
        if missing:
            raise ConfigError(f"templates: expected a file with a graph, found none at {missing[0]}")
        if self.confirm == self.data:
            raise ConfigError(f"confirm: expected data that the search does not see, found {self.confirm}")
        price = "price" in self.objectives or self.limits.price is not None
        if price and self.price_per_hour is None:
            raise ConfigError("price: expected price_per_hour of the machine, found none; set it")

    def goal_values(self) -> Mapping[str, Any]:
        """Return what decides the design, as plain values."""
        left_out = {
            "name",
            "replace",
            "store",
            "engine",
            "data",
            "audio",
            "confirm",
            "edits",
            "blame",
            "seed",
        }
        values: dict[str, Any] = self.model_dump(mode="json", exclude=left_out)
        return values
