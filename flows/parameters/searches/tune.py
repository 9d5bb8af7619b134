"""Parameters of the flow `tune`: a graph, which of its settings are searched, and what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ConfigDict, Field, JsonValue, field_validator
from typing_extensions import override

from components.errors import AntiphonError, ConfigError
from components.files.yaml_text import Places, parse_yaml
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.faults import Faults
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.stage_planning import complete_node
from components.pipeline.steps.auto import is_auto
from components.tuning.objectives import PRICE, Objective, read_objective
from components.tuning.samplers import SamplerName, choose_sampler
from components.tuning.variables import SearchSpace, Variable, read_variable
from flows.parameters.pipeline import PipelineParameters
from flows.parameters.pipeline import pipeline as graph_of
from flows.parameters.searches.unseen_data import UnseenData

MAX_TRIES = 1000


class TuneParameters(UnseenData, PipelineParameters):
    """A graph of models, the settings of it that are searched, and the data to search and to confirm on."""

    model_config = ConfigDict(title="Search over a pipeline")

    search: str | dict[str, JsonValue] = Field(
        description="settings to vary, as YAML or JSON text, or as a JSON object; NODE.SETTING: a list of "
        "values, {from: A, to: B} with step or log, simplex(N) for N weights, or boolean "
        "(docs/families/tuning.md)",
        examples=["{de.beam_size: [1, 4, 8]}"],
    )
    objectives: tuple[str, ...] = Field(
        ("bleu",),
        min_length=1,
        max_length=2,
        description="what is optimized: METRIC of the output, NODE.METRIC; a second may be seconds or price",
    )
    confirm: str | None = Field(
        None,
        title="Data to confirm on",
        description="data set that the search never sees, on which the winner is scored once; or the share "
        "of the data to set aside for that, such as 0.4",
    )
    sampler: SamplerName = Field(
        "auto", description="where tries come from; auto = tpe, and nsga2 of two objectives"
    )
    tries: int = Field(20, ge=1, le=MAX_TRIES, description="different pipelines to try")
    parallel: int = Field(1, ge=1, le=64, description="tries at once, as one graph")
    rungs: int = Field(
        1, ge=1, le=6, description="successive halving: how often the data grow; 1 = all at once"
    )
    reduction_factor: int = Field(
        3,
        ge=2,
        le=10,
        title="Reduction factor",
        description="rungs: data grow, and tries shrink, by this factor",
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="two objectives: how much the winner may lose in the first to gain in the second",
    )

    @field_validator("objectives", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @override
    def check_graph(self, file: str, places: Places) -> None:
        graph = {key: value for key, value in self.graph_values.items() if key != "matrix"}
        read_pipeline(graph, file, places, Path(self.folder or "."))
        check_search(self, file, places)

    @property
    def search_values(self) -> dict[str, Any]:
        """The variables as plain values.

        Raises:
            ConfigError: they are none.
        """
        values: Any = self.search if isinstance(self.search, dict) else parse_yaml(self.search, "search")[0]
        if not isinstance(values, dict) or not values:
            raise ConfigError(
                "search: expected at least one setting such as {de.beam_size: [1, 4]}, found none"
            )
        return values


class Probe(NamedTuple):
    """The pipeline with one value of one variable, to be checked before a search begins."""

    key: str
    value: Any
    pipeline: Pipeline


class CheckedSearch(NamedTuple):
    """A search that can begin: its space, what it optimizes, its sampler, and its pipeline as written."""

    space: SearchSpace
    objectives: tuple[Objective, ...]
    sampler: str
    pipeline: Pipeline
    probes: tuple[Probe, ...]


def check_search(parameters: TuneParameters, where: str = "", lines: Places | None = None) -> CheckedSearch:
    """Check a search as far as that costs nothing.

    Args:
        parameters: of the flow.
        where: the file, for messages.
        lines: where its keys stand.

    Raises:
        ConfigError: a line per fault, with its place in the file.
    """
    faults = Faults(where, lines or {})
    _check_confirm(parameters, faults)
    graph = parameters.graph_values
    if "matrix" in graph:
        faults.add(("matrix",), "matrix: expected none beside search, which takes its place")
    try:
        written = parameters.search_values
    except ConfigError as error:
        faults.add(("search",), str(error))
    faults.raise_if_any()
    pipeline = graph_of(parameters)
    space, probes = _read_space(parameters, written, faults)
    objectives = []
    for name in parameters.objectives:
        try:
            objectives.append(read_objective(name, pipeline))
        except ConfigError as error:
            faults.add(("objectives",), f"objectives: {error}")
    _check_objectives(objectives, parameters, faults)
    sampler = ""
    try:
        sampler = choose_sampler(parameters.sampler, space, len(parameters.objectives))
    except ConfigError as error:
        faults.add(("sampler",), str(error))
    faults.raise_if_any()
    return CheckedSearch(space, tuple(objectives), sampler, pipeline, tuple(probes))


def _read_space(
    parameters: TuneParameters, written: Mapping[str, Any], faults: Faults
) -> tuple[SearchSpace, list[Probe]]:
    """Read the variables, and the pipeline with each value of each that has to be good."""
    variables: dict[str, Variable] = {}
    probes = []
    for key, values in written.items():
        try:
            variable = read_variable(key, values, parameters.graph_values["nodes"])
            _refuse_same(variable, variables)
        except ConfigError as error:
            faults.add(("search", key), f"search.{key}: {error}")
            continue
        variables[key] = variable
        for value in variable.domain.probes():
            try:
                pipeline = pipeline_with(parameters, SearchSpace({key: variable}), {key: value})
                _check_node(pipeline, variable.node, parameters)
            except AntiphonError as error:
                for line in str(error).splitlines():
                    faults.add(("search", key), f"search.{key}: {line}")
            else:
                probes.append(Probe(key, value, pipeline))
    return SearchSpace(variables), probes


def _check_node(pipeline: Pipeline, name: str, parameters: TuneParameters) -> None:
    """Refuse a setting that a node's own checks refuse, such as a wrong number of coefficients."""
    node = pipeline.nodes.get(pipeline.aliases.get(name, name))
    if node is not None and not is_auto(node.values):
        try:
            settings = complete_node(pipeline, node, parameters.store).settings
            node.kind.check(settings, pipeline.context_of(node, parameters.store, parameters.seed))
        except AntiphonError as error:
            raise ConfigError(f"{name}: {error}") from None


def _check_confirm(parameters: TuneParameters, faults: Faults) -> None:
    share = parameters.confirm_share
    if parameters.confirm is None:
        faults.add(
            ("confirm",),
            "confirm: expected a data set that the search does not see, or a share of the data such as 0.4, "
            "found none; the best of many tries looks better on the data it was chosen on than it is",
        )
    elif share is not None and not 0 < share < 1:
        faults.add(("confirm",), f"confirm: expected a share between 0 and 1, found {parameters.confirm}")
    elif parameters.confirm == parameters.data:
        faults.add(
            ("confirm",),
            f"confirm: expected data that the search does not see, found {parameters.data}, on which it "
            "searches; name another set, or a share to set aside such as 0.4",
        )
    elif share is None:
        from components import data

        try:
            data.check(parameters.confirm, parameters.source_language, parameters.target_language)
        except AntiphonError as error:
            faults.add(("confirm",), f"confirm: {error}")


def _refuse_same(variable: Variable, others: Mapping[str, Variable]) -> None:
    for other in others.values():
        if (other.node, other.path) == (variable.node, variable.path):
            raise ConfigError(f"expected each setting once, found it as {other.key}, too")


def _check_objectives(objectives: list[Objective], parameters: TuneParameters, faults: Faults) -> None:
    names = [objective.name for objective in objectives]
    if objectives and not objectives[0].metric:
        faults.add(
            ("objectives",), f"objectives: expected a metric first, found {names[0]}; it chooses the winner"
        )
    if len(set(names)) < len(names):
        faults.add(("objectives",), f"objectives: expected two different ones, found {names[0]} twice")
    if PRICE in names and parameters.price_per_hour is None:
        faults.add(
            ("objectives",), "objectives: price expects price_per_hour, found none; set it (0 is not allowed)"
        )


def pipeline_with(parameters: TuneParameters, space: SearchSpace, settings: Mapping[str, Any]) -> Pipeline:
    """Return the checked pipeline with other settings.

    Raises:
        ConfigError: a line per fault.
    """
    return graph_of(parameters_with(parameters, space, settings))


def parameters_with(
    parameters: TuneParameters, space: SearchSpace, settings: Mapping[str, Any]
) -> PipelineParameters:
    """The parameters of the flow `pipeline` that run the pipeline with other settings over the same data."""
    graph = space.apply(parameters.graph_values, settings)
    names = {*PipelineParameters.model_fields}
    values = {name: value for name, value in parameters if name in names}
    return PipelineParameters.model_construct(**{**values, "graph": graph})


def pipeline(parameters: TuneParameters) -> Pipeline:
    """Return the pipeline as it is written, if the search over it can begin.

    Raises:
        ConfigError: a line per fault.
    """
    return check_search(parameters).pipeline


def changed_nodes(probe: Probe, written: Pipeline) -> Iterator[str]:
    """Yield the nodes of a probe that are set otherwise than in the pipeline as written."""
    for name, node in probe.pipeline.nodes.items():
        if name not in written.nodes or node.settings != written.nodes[name].settings:
            yield name
