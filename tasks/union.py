"""Several pipelines over one data set, run as one: what they share is computed once."""

from __future__ import annotations

from collections.abc import Mapping

from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.pruning import without_idle
from components.pipeline.rewriting import names_in_union, unite
from components.records import StageRef
from tasks.executor import Executed, execute, with_outputs

Sets = Mapping[str, StageRef]
"""Data sets by the names under which nodes read them."""


def execute_together(
    systems: Mapping[str, Pipeline], sets: Mapping[str, Sets], store: str | None, seed: int
) -> dict[str, Executed]:
    """What became of each pipeline, all over one data set. Names of systems begin those of their nodes."""
    names = {system: names_in_union(system, pipeline) for system, pipeline in systems.items()}
    everything = {
        own if own == DATA else names[system][own]: ref
        for system, pipeline in systems.items()
        for own, ref in sets[system].items()
        if own == DATA or (own in pipeline.nodes and pipeline.is_data(own))
    }
    executed = execute(unite(systems), everything, store, seed)
    return {
        system: _of_system(executed, without_idle(pipeline, sets[system]), names[system])
        for system, pipeline in systems.items()
    }


def _of_system(executed: Executed, pipeline: Pipeline, names: Mapping[str, str]) -> Executed:
    """What became of one of the pipelines; ``names``: there, by its own."""
    refs = {own: executed.stages[there] for own, there in names.items() if there in executed.stages}
    stages = {own: ref.model_copy(update={"stage": own}) for own, ref in refs.items()}
    statuses = {own: executed.statuses[there] for own, there in names.items() if there in executed.statuses}
    errors = {own: executed.errors[there] for own, there in names.items() if there in executed.errors}
    plans = {own: executed.plans[there] for own, there in names.items() if there in executed.plans}
    return Executed(stages, statuses, errors, plans, with_outputs(pipeline, stages, statuses))
