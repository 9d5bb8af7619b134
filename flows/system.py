"""What every flow over a data set does: loads it, runs its pipeline over it, scores the outputs, reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from prefect.client.schemas.objects import State

from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.records import RunRecord, StageRef
from flows import preflight
from flows.parameters import DataParameters, FlowParameters
from flows.preflight import Need
from flows.running import Run, ending
from tasks import data, metrics, report
from tasks.artifacts import publish_summary
from tasks.executor import Executed, execute
from tasks.options import value_of

After = Callable[[Run, Pipeline], None]
"""What a flow adds to a run whose nodes are finished and scored."""


def run_system(
    flow: str, parameters: DataParameters, pipeline: Pipeline, after: After | None = None
) -> RunRecord | State[RunRecord]:
    """Run a pipeline over the data set of ``parameters`` as a run of ``flow``, score and report it."""
    nodes = preflight.of_pipeline(pipeline, parameters.store, parameters.seed)
    needs = [preflight.readable(parameters), *nodes]
    preflight.refuse(needs)
    run = Run(flow, parameters)
    with run:
        loaded = preflight.load(run, parameters, needs)
        executed = run_pipeline(run, pipeline, loaded)
        pipeline = replace(pipeline, outputs=executed.outputs)
        score(run, pipeline)
        if after is not None and not executed.errors:
            after(run, pipeline)
        report.report(run.record, run.store_url)
        executed.refuse()
    return ending(run.record)


def run_models(
    flow: str,
    parameters: FlowParameters,
    pipeline: Pipeline,
    after: Callable[[Run], None],
    needs: Sequence[Need] = (),
    load: Callable[[Run], StageRef | None] = lambda run: None,
) -> RunRecord | State[RunRecord]:
    """Run a pipeline that makes models as a run of ``flow``.

    Args:
        after: scores what it made.
        needs: what else is needed.
        load: gives the data set that nodes read as ``data``, if they do.
    """
    nodes = preflight.of_pipeline(pipeline, parameters.store, parameters.seed)
    preflight.refuse([*nodes, *needs])
    run = Run(flow, parameters)
    with run:
        loaded = load(run)
        if loaded is not None:
            preflight.admit(nodes, loaded)
        run_pipeline(run, pipeline, loaded).refuse()
        after(run)
        publish_summary(run.name, run.stages.values(), run.metrics)
    return ending(run.record)


def run_pipeline(run: Run, pipeline: Pipeline, loaded: StageRef | None = None) -> Executed:
    """Run a pipeline over a loaded data set; its stages, its graph and what is to be said go into the run.

    What the run has of an earlier part of the same pipeline stays as it was noted then.
    """
    sets = {node.name: _load(run, pipeline, node.name) for node in pipeline.data_nodes()}
    if loaded is not None:
        sets[DATA] = loaded
    run.pipeline = pipeline.record()
    executed = execute(pipeline, sets, run.store_url, run.parameters.seed)
    for name, ref in executed.stages.items():
        if run.has(ref):
            executed.statuses[name] = "reused" if run.stages[name].reused else "computed"
            continue
        run.add(ref)
        planned = executed.plans[name]
        own = sets.get(pipeline.data_of(name))
        run.notes += planned.node.kind.notes(planned.node.settings, planned.site, ref, own)
    run.pipeline = replace(pipeline, outputs=executed.outputs).record(executed.statuses)
    run.notes += [f"{name}: {error}" for name, error in executed.errors.items()]
    return executed


def _load(run: Run, pipeline: Pipeline, name: str) -> StageRef:
    """A further data set of a pipeline."""
    settings = pipeline.nodes[name].settings
    assert isinstance(settings, DataSettings)
    ref: StageRef = value_of(
        data.load(settings.source, None, *pipeline.languages, settings.limit, run.store_url)
    )
    return run.add(ref.model_copy(update={"stage": name}))


def score(run: Run, pipeline: Pipeline) -> None:
    """Score every node that gives texts of which there are references."""
    scored = metrics.scored(pipeline, run.stages)
    if scored:
        target = pipeline.languages[1]
        ref = run.add(metrics.score(scored, target, run.store_url, run.name))
        run.metrics = metrics.read_scores(ref)
