"""What every flow over a data set does: load it, run the pipeline, score the outputs, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from prefect.client.schemas.objects import State

from components.nodes.data import DataSettings
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.planning import with_models
from components.run_record import RunRecord, StageRef
from flows import preflight
from flows.parameters.base import DataParameters, FlowParameters
from flows.preflight import Need
from flows.run import Run, final_state
from flows.scoring import analyze, score
from tasks.execution.executor import PipelineResult, execute
from tasks.progress import show_phase
from tasks.stages import data as data_sets
from tasks.stages import report
from tasks.task_options import label_task


class Hooks(NamedTuple):
    """What a flow adds to the common procedure.

    Attributes:
        data: the finished data set that its parameters name, if they name one.
        before: comes when the data set is loaded, before any node is computed.
        after: comes when all nodes are finished and scored.
    """

    data: Callable[[Any], StageRef | None] = lambda _: None
    before: Callable[[Run, Pipeline], None] = lambda run, pipeline: None
    after: Callable[[Run, Pipeline], None] = lambda run, pipeline: None


NO_HOOKS = Hooks()


class System:
    """A pipeline that is run over the data set of its parameters, as a run of ``flow``."""

    def __init__(self, flow: str, parameters: DataParameters, pipeline: Pipeline, hooks: Hooks) -> None:
        self.flow = flow
        self.parameters = parameters
        self.pipeline = pipeline
        self.hooks = hooks
        self._data = hooks.data(parameters)

    def needs(self) -> list[Need]:
        """The checks that come before anything is read."""
        nodes = preflight.needs_of_pipeline(self.pipeline, self.parameters.store, self.parameters.seed)
        if not self.parameters.edits:  # what is edited was reviewed before
            nodes += preflight.needs_of_reviews(self.pipeline)
        nodes += preflight.needs_of_metrics(
            self.parameters.model_metrics, self.parameters.store, "model_metrics"
        )
        return nodes if self._data is not None else [preflight.need_of_data(self.parameters.data_set), *nodes]

    def load(self, run: Run) -> dict[str, StageRef]:
        """Load the data sets, by the names under which nodes read them, and check the models against them."""
        sets = load_data(run, self._data)
        self.pipeline, notes = preflight.choose_models(self.pipeline, sets[DATA])
        run.notes += notes
        needs = self.needs()
        show_phase("loading the models")
        preflight.admit_data(needs, sets[DATA])
        sets |= load_data_nodes(run, self.pipeline, needs)
        preflight.admit_learning(self.pipeline, sets, self.parameters.store)
        run.pipeline = self.pipeline.to_record()
        self.hooks.before(run, self.pipeline)
        return sets

    def finish(self, run: Run, executed: PipelineResult) -> None:
        """Score and report the finished nodes; raises the first error of a node."""
        record_execution(run, executed)
        score(run, executed.pipeline, self.parameters.normalizer)
        analyze(run, executed.pipeline, self.parameters.normalizer)
        if not executed.errors:
            self.hooks.after(run, executed.pipeline)
        show_phase("writing the report")
        report.publish_run_report(run.record, run.store_url, run.label)
        executed.raise_first_error()


def run_system(
    flow: str, parameters: DataParameters, pipeline: Pipeline, hooks: Hooks = NO_HOOKS
) -> RunRecord | State[RunRecord]:
    """Run a pipeline over a data set as a run of ``flow``, score and report it."""
    system = System(flow, parameters, pipeline, hooks)
    preflight.check_needs(system.needs())
    run = Run(flow, parameters)
    with run:
        sets = system.load(run)
        executed = execute(
            system.pipeline, sets, run.store_url, parameters.seed, partial(record_progress, run)
        )
        system.finish(run, executed)
    return final_state(run.record)


def run_models(
    flow: str,
    parameters: FlowParameters,
    pipeline: Pipeline,
    needs: Sequence[Need],
    after: Callable[[Run], None],
    loaded: StageRef | None = None,
) -> RunRecord | State[RunRecord]:
    """Run a pipeline that makes models as a run of ``flow``.

    Args:
        flow: name of the flow.
        parameters: of the run.
        pipeline: whose nodes make the models.
        needs: of its nodes, and of what comes after them.
        after: scores what it made, and publishes what was done.
        loaded: the finished data set that nodes read as ``data``, if it is not the parameters'.
    """
    preflight.check_needs(needs)
    run = Run(flow, parameters)
    with run:
        execute_pipeline(run, pipeline, needs, load_data(run, loaded))
        after(run)
    return final_state(run.record)


def load_data(run: Run, loaded: StageRef | None = None) -> dict[str, StageRef]:
    """Load the data set that a run's parameters name, if they do; or take a finished one."""
    if loaded is not None:
        return {DATA: run.add(loaded.model_copy(update={"reused": True}))}
    data_set = run.parameters.data_set
    if data_set is None:
        return {}
    show_phase("reading the data")
    return {DATA: run.add(label_task(data_sets.load_data, run.label)(*data_set, run.store_url))}


def execute_pipeline(
    run: Run, pipeline: Pipeline, needs: Sequence[Need], sets: Mapping[str, StageRef]
) -> None:
    """Run a pipeline (finished nodes are reused) over loaded data sets; raises the first error of a node."""
    for name, loaded in sets.items():
        preflight.admit_data(needs, loaded, name)
    sets = {**sets, **load_data_nodes(run, pipeline, needs)}
    preflight.admit_learning(pipeline, sets, run.parameters.store)
    run.pipeline = pipeline.to_record()
    observe = partial(record_progress, run)
    executed = execute(pipeline, sets, run.store_url, run.parameters.seed, observe)
    record_execution(run, executed)
    executed.raise_first_error()


def record_execution(run: Run, executed: PipelineResult) -> None:
    """Copy finished stages, the graph and the notes of its nodes into a run.

    What the run has of an earlier part of the same pipeline stays as it was noted then.
    """
    keys = {name: node_plan.stage.key for name, node_plan in executed.plans.items()}
    for name, ref in executed.stages.items():
        if run.has_stage(ref):
            executed.statuses[name] = "reused" if run.stages[name].reused else "computed"
            continue
        run.add(ref)
        plan = executed.plans[name]
        data = run.stages.get(executed.pipeline.data_of(name))
        settings = with_models(plan.node.settings, plan.node, keys)
        run.notes += plan.node.kind.notes(settings, plan.site, ref, data)
        if ref.batch_size:
            run.notes.append(
                f"{name}: memory ran out; {ref.batch_size} at once were gone on with: set batch_size to that"
            )
    run.pipeline = executed.pipeline.to_record(executed.statuses)
    run.notes += [f"{name}: {str(error) or type(error).__name__}" for name, error in executed.errors.items()]


def record_progress(run: Run, executed: PipelineResult) -> None:
    """Record what a run has that waits for a person, or is stopped."""
    record_execution(run, executed)
    run.record_pause(executed.asking)


def load_data_nodes(run: Run, pipeline: Pipeline, needs: Sequence[Need]) -> dict[str, StageRef]:
    """Load the data sets of nodes of kind ``data`` by name, and check their readers' models against them."""
    sets = {}
    for node in pipeline.data_nodes():
        sets[node.name] = _load_data_node(run, pipeline, node.name)
        preflight.admit_data(needs, sets[node.name], node.name)
    return sets


def _load_data_node(run: Run, pipeline: Pipeline, name: str) -> StageRef:
    """Load the data set of one node of kind ``data``."""
    settings = pipeline.nodes[name].settings
    assert isinstance(settings, DataSettings)
    source = (settings.source, None, *pipeline.languages)
    return run.add(data_sets.load_data(*source, settings.limit, run.store_url), name)
