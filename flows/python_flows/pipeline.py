"""A pipeline of one's own: any graph of models, from a file or from the deployment's form.

`antiphon run FILE.yaml` runs the graph in a file.
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect.client.schemas.objects import State

from components.run_record import RunRecord
from flows.checks import Check
from flows.definition import define_flow
from flows.parameters.compare import CompareParameters
from flows.parameters.pipeline import PipelineParameters, systems_of
from flows.parameters.pipeline import pipeline as graph_of
from flows.python_flows.compare import checks as comparison_checks
from flows.python_flows.compare import run_comparison
from flows.system import NO_HOOKS, System, run_system


@define_flow(PipelineParameters)
def pipeline(parameters: PipelineParameters) -> RunRecord | State[RunRecord]:
    """Run a graph of models over a data set, score its outputs and report; compare those of a matrix."""
    systems = systems_of(parameters)
    if len(systems) > 1:
        return run_comparison(_as_comparison(parameters, systems))
    (only,) = systems.values()
    return run_system("pipeline", parameters, graph_of(only))


def checks(parameters: PipelineParameters) -> list[Check]:
    """Return the checks of its nodes, or of those of every system of a matrix."""
    systems = systems_of(parameters)
    if len(systems) > 1:
        return comparison_checks(_as_comparison(parameters, systems))
    (only,) = systems.values()
    return System("pipeline", parameters, graph_of(only), NO_HOOKS).preflight.checks


def _as_comparison(
    parameters: PipelineParameters, systems: Mapping[str, PipelineParameters]
) -> CompareParameters:
    """Return the systems of a matrix as a comparison of pipelines; the first is the baseline."""
    graph_fields = {"graph", "until", "folder", "title"}
    configs = [
        {
            "name": name,
            "flow": "pipeline",
            "parameters": system.model_dump(include=graph_fields, exclude_none=True),
        }
        for name, system in systems.items()
    ]
    return CompareParameters.model_validate(
        {**parameters.model_dump(exclude=graph_fields), "systems": configs}
    )
