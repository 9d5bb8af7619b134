"""What every flow over a data set does: loads it, runs its pipeline over it, scores the outputs, reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from prefect.client.schemas.objects import State

from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.records import RunRecord, StageRef
from flows import preflight
from flows.parameters import DataParameters
from flows.running import Run, ending
from tasks import data, metrics, report
from tasks.executor import Executed, execute
from tasks.options import value_of

Hook = Callable[[Run, Pipeline], None]


class Hooks(NamedTuple):
    """What a flow adds to a run: before its nodes are computed, and when all are finished and scored."""

    before: Hook | None = None
    after: Hook | None = None


NO_HOOKS = Hooks()


def run_system(
    flow: str, parameters: DataParameters, pipeline: Pipeline, hooks: Hooks = NO_HOOKS
) -> RunRecord | State[RunRecord]:
    """Run a pipeline over the data set of ``parameters`` as a run of ``flow``, score and report it."""
    nodes = preflight.of_pipeline(pipeline, parameters.store, parameters.seed)
    needs = [preflight.readable(parameters), *nodes]
    preflight.refuse(needs)
    run = Run(flow, parameters)
    with run:
        loaded = preflight.load(run, parameters, needs)
        sets = load_sets(run, pipeline, loaded)
        begin(run, pipeline, hooks)
        finish(run, pipeline, execute(pipeline, sets, run.store_url, run.parameters.seed), hooks)
    return ending(run.record)


def load_sets(run: Run, pipeline: Pipeline, loaded: StageRef) -> dict[str, StageRef]:
    """The data sets of a pipeline by the names under which its nodes read them."""
    return {DATA: loaded, **{node.name: _load(run, pipeline, node.name) for node in pipeline.data_nodes()}}


def begin(run: Run, pipeline: Pipeline, hooks: Hooks) -> None:
    """What comes before the nodes of a run are computed."""
    run.pipeline = pipeline.record()
    if hooks.before is not None:
        hooks.before(run, pipeline)


def finish(run: Run, pipeline: Pipeline, executed: Executed, hooks: Hooks) -> None:
    """Note, score and report what became of the nodes of a run; raise what one failed with."""
    note(run, pipeline, executed)
    pipeline = replace(pipeline, outputs=executed.outputs)
    score(run, pipeline)
    if hooks.after is not None and not executed.errors:
        hooks.after(run, pipeline)
    report.report(run.record, run.store_url)
    executed.refuse()


def note(run: Run, pipeline: Pipeline, executed: Executed) -> None:
    """Keep the finished stages, the graph and what is to be said of the nodes in a run."""
    run.pipeline = replace(pipeline, outputs=executed.outputs).record(executed.statuses)
    for ref in executed.stages.values():
        run.add(ref)
    for name, ref in executed.stages.items():
        planned = executed.plans[name]
        own = run.stages[pipeline.data_of(name)]
        run.notes += planned.node.kind.notes(planned.node.settings, planned.site, ref, own)
    run.notes += [f"{name}: {error}" for name, error in executed.errors.items()]


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
