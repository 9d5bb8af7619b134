"""What every flow over a data set does: loads it, runs its pipeline over it, scores the outputs, reports."""

from __future__ import annotations

from collections.abc import Callable

from prefect.client.schemas.objects import State

from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.records import RunRecord, StageRef
from flows import preflight
from flows.parameters import DataParameters
from flows.running import Run, ending
from tasks import data as data_sets
from tasks import metrics, report
from tasks.executor import Executed, execute
from tasks.options import value_of

After = Callable[[Run, Pipeline], None]
"""What a flow adds to a run whose nodes are finished and scored."""


def run_system(
    flow: str,
    parameters: DataParameters,
    pipeline: Pipeline,
    after: After | None = None,
    data: StageRef | None = None,
) -> RunRecord | State[RunRecord]:
    """Run a pipeline over a data set (``data``, else that of ``parameters``) as a run of ``flow``."""
    nodes = preflight.of_pipeline(pipeline, parameters.store, parameters.seed)
    needs = nodes if data is not None else [preflight.readable(parameters), *nodes]
    preflight.refuse(needs)
    run = Run(flow, parameters)
    with run:
        if data is None:
            loaded = preflight.load(run, parameters, needs)
        else:
            loaded = run.add(data.model_copy(update={"reused": True}))
            preflight.admit(needs, loaded)
        executed = run_pipeline(run, pipeline, loaded)
        score(run, executed.pipeline)
        if after is not None and not executed.errors:
            after(run, executed.pipeline)
        report.report(run.record, run.store_url)
        executed.refuse()
    return ending(run.record)


def run_pipeline(run: Run, pipeline: Pipeline, loaded: StageRef) -> Executed:
    """Run a pipeline over a loaded data set; its stages, its graph and what is to be said go into the run."""
    sets = {DATA: loaded, **{node.name: _load(run, pipeline, node.name) for node in pipeline.data_nodes()}}
    needs = preflight.of_pipeline(pipeline, run.store_url, run.parameters.seed)
    for name in sets.keys() - {DATA}:
        preflight.admit(needs, sets[name], name)
    run.pipeline = pipeline.record()
    executed = execute(pipeline, sets, run.store_url, run.parameters.seed)
    run.pipeline = executed.pipeline.record(executed.statuses)
    for ref in executed.stages.values():
        run.add(ref)
    for name, ref in executed.stages.items():
        planned = executed.plans[name]
        own = sets[executed.pipeline.data_of(name)]
        run.notes += planned.node.kind.notes(planned.node.settings, planned.site, ref, own)
    run.notes += [f"{name}: {error}" for name, error in executed.errors.items()]
    return executed


def _load(run: Run, pipeline: Pipeline, name: str) -> StageRef:
    """A further data set of a pipeline."""
    settings = pipeline.nodes[name].settings
    assert isinstance(settings, DataSettings)
    ref: StageRef = value_of(
        data_sets.load(settings.source, None, *pipeline.languages, settings.limit, run.store_url)
    )
    return run.add(ref.model_copy(update={"stage": name}))


def score(run: Run, pipeline: Pipeline) -> None:
    """Score every node that gives texts of which there are references."""
    scored = metrics.scored(pipeline, run.stages)
    if scored:
        target = pipeline.languages[1]
        ref = run.add(metrics.score(scored, target, run.store_url, run.name))
        run.metrics = metrics.read_scores(ref)
