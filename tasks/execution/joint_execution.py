"""Joint execution of several pipelines over one data set: what they share is computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from components.pipeline.items.idle_nodes import remove_idle_nodes
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.rewriting import names_in_union, rename_reads, unite
from components.run_record import StageRef
from tasks.execution.executor import PipelineResult, execute, resolve_outputs


def execute_together(
    systems: Mapping[str, Pipeline],
    stages: Mapping[str, Mapping[str, StageRef]],
    store: str | None,
    seed: int,
    observe: Callable[[dict[str, PipelineResult]], object] = lambda results: None,
) -> dict[str, PipelineResult]:
    """Execute pipelines over one data set as one graph and return the result of each.

    Args:
        systems: the pipelines by name; names of systems begin those of their nodes.
        stages: for each system its data sets, by the names under which its nodes read them.
        store: URL of the store.
        seed: of the run.
        observe: as for :func:`~tasks.execution.executor.execute`.
    """
    names = {system: names_in_union(system, pipeline) for system, pipeline in systems.items()}
    sets = {
        system: {own: stages[system][own] for own in (DATA, *(node.name for node in pipeline.data_nodes()))}
        for system, pipeline in systems.items()
    }
    everything = {
        names[system].get(own, own): ref for system, own_sets in sets.items() for own, ref in own_sets.items()
    }

    def select(executed: PipelineResult) -> dict[str, PipelineResult]:
        return {
            system: _select_system(executed, remove_idle_nodes(pipeline, sets[system]), names[system])
            for system, pipeline in systems.items()
        }

    return select(execute(unite(systems), everything, store, seed, lambda result: observe(select(result))))


def _select_system(executed: PipelineResult, pipeline: Pipeline, names: Mapping[str, str]) -> PipelineResult:
    """Return the result of one of the pipelines.

    Args:
        executed: the result of all.
        pipeline: the one.
        names: the node's name in the one -> in all.
    """
    refs = {own: executed.stages[there] for own, there in names.items() if there in executed.stages}
    stages = {own: ref.model_copy(update={"stage": own}) for own, ref in refs.items()}
    statuses = {own: executed.statuses[there] for own, there in names.items() if there in executed.statuses}
    errors = {own: executed.errors[there] for own, there in names.items() if there in executed.errors}
    own_names = {there: own for own, there in names.items()}
    plans = {
        own: replace(plan, node=replace(rename_reads(plan.node, own_names), name=own))
        for own, there in names.items()
        if (plan := executed.plans.get(there)) is not None
    }
    asking = frozenset(own for own, there in names.items() if there in executed.asking)
    outputs = resolve_outputs(pipeline, stages, statuses)
    return PipelineResult(stages, statuses, errors, plans, outputs, asking)
