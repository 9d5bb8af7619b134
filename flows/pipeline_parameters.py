"""What can be set on a pipeline of one's own: the graph, and what every flow over data has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, JsonValue, model_validator

from components.errors import ConfigError
from components.pipeline.faults import suggest
from components.pipeline.matrix import expand
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read
from components.yaml_text import parse
from flows.parameters import DataParameters

PARTS = ("nodes", "outputs", "defaults", "matrix")
"""Keys of a file that are the graph; the others are parameters of the run."""


class PipelineParameters(DataParameters):
    """A graph of models, and the data set that goes through it."""

    model_config = ConfigDict(title="Pipeline")

    graph: str | dict[str, JsonValue] = Field(
        title="Graph",
        description="nodes, outputs, defaults, matrix: as YAML or JSON text, or as a JSON object "
        "(docs/pipelines.md)",
        examples=["{nodes: {asr: {kind: recognize}, mt: {kind: translate, of: asr}}}"],
    )
    until: str | None = Field(None, title="Until", description="only this node and what it needs")
    folder: str | None = Field(
        None, title="Folder", description="files that nodes name lie here; the working directory if empty"
    )

    @model_validator(mode="before")
    @classmethod
    def _graph_of_a_file(cls, values: Any) -> Any:
        """A file names the parts of a graph beside the parameters of the run."""
        if not isinstance(values, dict) or not any(part in values for part in PARTS):
            return values
        graph = {part: values[part] for part in PARTS if part in values}
        return {**{k: v for k, v in values.items() if k not in PARTS}, "graph": graph}

    @property
    def written(self) -> dict[str, Any]:
        """The graph as plain values, with the languages of the run."""
        graph: Any = self.graph if isinstance(self.graph, dict) else parse(self.graph, "graph")[0]
        if not isinstance(graph, dict):
            raise ConfigError(f"graph: expected a mapping with nodes, found {type(graph).__name__}")
        graph = {key: value for key, value in graph.items() if key not in self.languages}
        languages = {name: code for name, code in self.languages.items() if code is not None}
        return {**graph, **languages}


def systems_of(parameters: PipelineParameters) -> dict[str, PipelineParameters]:
    """The systems that a graph with a matrix stands for, by name; one named "" without. ConfigError."""
    systems = expand(parameters.written)
    return {name: parameters.model_copy(update={"graph": graph}) for name, graph in systems.items()}


def pipeline(parameters: PipelineParameters) -> Pipeline:
    """The graph of one system, checked. Raises ConfigError, a line per fault."""
    graph = read(parameters.written, folder=Path(parameters.folder or "."))
    if parameters.until is None:
        return graph
    if parameters.until not in {*graph.nodes, *graph.aliases}:
        hint = suggest(parameters.until, graph.nodes)
        raise ConfigError(f"until: there is no node {parameters.until!r}{hint}")
    return graph.until(parameters.until)
