"""Parameters of the flow `pipeline`: the graph itself, and those of every flow over data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, JsonValue, field_validator, model_validator

from components.errors import ConfigError
from components.files.yaml_text import Places, parse_yaml
from components.own_code import code_permission
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.matrix import expand_matrix
from components.pipeline.reading.reader import read_pipeline
from components.text.suggestions import suggest
from flows.parameters.base import GRAPH_KEYS, DataParameters, check_name


class PipelineParameters(DataParameters):
    """A graph of models, and the data set that goes through it."""

    model_config = ConfigDict(title="Pipeline")

    graph: str | dict[str, JsonValue] = Field(
        description="nodes, outputs, defaults, matrix: as YAML or JSON text, or as a JSON object "
        "(docs/use/pipelines.md)",
        examples=["{nodes: {asr: {kind: recognize}, mt: {kind: translate, of: asr}}}"],
    )
    until: str | None = Field(None, description="only this node and what it needs")
    folder: str | None = Field(
        None, description="files that nodes name lie here; the working directory if empty"
    )

    title: str | None = Field(
        None,
        max_length=70,
        description="what an unnamed run is called after the time, such as transcribe; the flow if empty",
    )

    _title = field_validator("title")(check_name)

    @model_validator(mode="before")
    @classmethod
    def _gather_graph(cls, values: Any) -> Any:
        """Return a file names the parts of a graph beside the parameters of the run."""
        if isinstance(values, dict) and isinstance(values.get("graph"), list):
            raise ValueError("graph: expected a mapping with nodes, found a list")
        if isinstance(values, dict) and "search" in values and "search" not in cls.model_fields:
            raise ValueError(
                "search: expected a pipeline to run, found one to search; run `antiphon tune FILE`"
            )
        if not isinstance(values, dict):
            return values
        if not any(part in values for part in GRAPH_KEYS):
            return _take_languages(values)
        graph = {part: values[part] for part in GRAPH_KEYS if part in values}
        return {**{k: v for k, v in values.items() if k not in GRAPH_KEYS}, "graph": graph}

    def read_from(self, file: Path, places: Places) -> Self:
        """The parameters that a file states, whose own code may run: whoever runs it has named the file.

        Args:
            file: in whose folder the files of nodes lie.
            places: of what it states.

        Raises:
            ConfigError: its graph is wrong, each fault with its line or the flag that set it.
        """
        parameters = self.model_copy(update={"folder": self.folder or str(file.parent.resolve())})
        parameters.check_graph(str(file), places)
        code_permission.allow_own_code()
        return parameters

    def check_graph(self, file: str, places: Places) -> None:
        """Refuse what is wrong in the graph of a file.

        Raises:
            ConfigError: each fault with its line or the flag that set it.
        """
        for graph in expand_matrix(self.graph_values, file).values():
            read_pipeline(graph, file, places, Path(self.folder or "."))

    @property
    def run_title(self) -> str | None:
        """What an unnamed run is called after the time."""
        return self.title

    @property
    def graph_values(self) -> dict[str, Any]:
        """The graph as plain values, with the languages of the run."""
        graph: Any = self.graph if isinstance(self.graph, dict) else parse_yaml(self.graph, "graph")[0]
        if not isinstance(graph, dict):
            raise ConfigError(f"graph: expected a mapping with nodes, found {type(graph).__name__}")
        graph = {key: value for key, value in graph.items() if key not in self.languages}
        languages = {name: code for name, code in self.languages.items() if code is not None}
        return {**graph, **languages}


def _take_languages(values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run, with the languages that its graph states where they leave them open."""
    graph = values.get("graph")
    if isinstance(graph, str):
        try:
            graph = parse_yaml(graph, "graph")[0]
        except ConfigError:  # which is told when the graph is read
            return values
    written = graph if isinstance(graph, dict) else {}
    languages = ("source_language", "target_language")
    return {**values, **{key: written[key] for key in languages if key in written and not values.get(key)}}


def systems_of(parameters: PipelineParameters) -> dict[str, PipelineParameters]:
    """Return the systems of a graph with a matrix, by name; one named "" without a matrix.

    Raises:
        ConfigError: the matrix names no node, or has too many combinations.
    """
    systems = expand_matrix(parameters.graph_values)
    return {name: parameters.model_copy(update={"graph": graph}) for name, graph in systems.items()}


def pipeline(parameters: PipelineParameters) -> Pipeline:
    """Return the checked graph of one system.

    Raises:
        ConfigError: a line per fault.
    """
    folder = Path(parameters.folder or ".")
    graph = parameters.with_edits(read_pipeline(parameters.graph_values, folder=folder))
    if parameters.until is None:
        return graph
    if parameters.until not in {*graph.nodes, *graph.aliases}:
        hint = suggest(parameters.until, graph.nodes)
        raise ConfigError(f"until: there is no node {parameters.until!r}{hint}")
    return graph.subgraph_of(parameters.until)
