"""What every flow over a data set does: load it, run the pipeline, score the outputs, report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from prefect.client.schemas.objects import State

from components.errors import AntiphonError
from components.nodes.data import DataSettings
from components.pipeline.graph_steps import GRAPH_STEPS
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.pipeline.stage_planning import with_models
from components.run_record import RunRecord, StageRef
from components.storage.places.location import find_in_store
from flows.checks import Check, check_of_data, checks_of_metrics, checks_of_reviews
from flows.parameters.base import DataParameters, FlowParameters
from flows.preflight import Preflight
from flows.registry import flow_named
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
        data: the finished data set that is read, if it is not the parameters'.
        checks: further ones that come before anything is computed.
        before: comes when the data set is loaded, before any node is computed.
        after: comes when all nodes are finished and scored.
    """

    data: Callable[[Any], StageRef | None] = lambda parameters: parameters.finished_data
    checks: Callable[[Any], list[Check]] = lambda parameters: []
    before: Callable[[Run, Pipeline], None] = lambda run, pipeline: None
    after: Callable[[Run, Pipeline], None] = lambda run, pipeline: None


NO_HOOKS = Hooks()


class System:
    """A pipeline that is run as a run of ``flow``, over the data set of its parameters if they have one."""

    def __init__(self, flow: str, parameters: FlowParameters, pipeline: Pipeline, hooks: Hooks) -> None:
        self.flow = flow
        self.parameters = parameters
        self.hooks = hooks
        self._data = hooks.data(parameters)
        self.unrun: tuple[Any, ...] = ()
        if any(0.0 in node.facts.weights for node in pipeline):
            pipeline, self.unrun = GRAPH_STEPS["zero_weights"].drop_zero_weights(pipeline)
        further = [*self._own_checks(pipeline), *hooks.checks(parameters)]
        self.preflight = Preflight(pipeline, parameters, further)

    @property
    def pipeline(self) -> Pipeline:
        """The graph, once the data are loaded with the models for them."""
        return self.preflight.pipeline

    def _own_checks(self, pipeline: Pipeline) -> list[Check]:
        """Return the checks of a run over a data set beside those of its nodes."""
        parameters = self.parameters
        if not isinstance(parameters, DataParameters):
            return []
        checks = [] if self._data is not None else [check_of_data(parameters.data_set)]
        if not parameters.edits:  # what is edited was reviewed before
            checks += checks_of_reviews(pipeline)
        return [
            *checks,
            *checks_of_metrics(parameters.model_metrics, parameters.store, "model_metrics"),
        ]

    def load(self, run: Run) -> dict[str, StageRef]:
        """Load the data sets, by the names under which nodes read them, and check the models against them."""
        sets = load_data(run, self._data)
        show_phase("loading the models")
        sets = self.preflight.admit(sets, partial(load_data_node, run, self.pipeline.languages))
        run.notes += self.preflight.notes
        run.pipeline = self.pipeline.to_record()
        learns = any(
            node.output in ("data", "model") or "store:" in str(node.models) for node in self.pipeline
        )
        if isinstance(self.parameters, DataParameters) and learns:
            run.seen_data = GRAPH_STEPS["seen_data"](self.pipeline, sets, store=run.store_url)
        for hooks in self._all_hooks():
            hooks.before(run, self.pipeline)
        return sets

    def finish(self, run: Run, executed: PipelineResult) -> None:
        """Score and report the finished nodes; raises the first error of a node."""
        record_execution(run, executed)
        if self.unrun and DATA in run.stages:
            items = run.stages[DATA].items
            run.notes += GRAPH_STEPS["zero_weights"].describe_unrun(self.unrun, items, run.store)
        if isinstance(self.parameters, DataParameters):
            score(run, executed.pipeline, self.parameters.normalizer)
            analyze(run, executed.pipeline, self.parameters.normalizer)
        if not executed.errors:
            for hooks in self._all_hooks():
                hooks.after(run, executed.pipeline)
        show_phase("writing the report")
        try:
            report.publish_run_report(run.record, run.store, run.label)
        except AntiphonError:
            executed.raise_first_error()  # the same disk was full before
            raise
        executed.raise_first_error()

    def _all_hooks(self) -> list[Hooks]:
        """Return the flow's own, and those of the error attribution where it is asked for."""
        has_blame = isinstance(self.parameters, DataParameters) and self.parameters.blame
        return [self.hooks, *([flow_named("blame").hooks] if has_blame else [])]


def run_system(
    flow: str, parameters: FlowParameters, pipeline: Pipeline, hooks: Hooks = NO_HOOKS
) -> RunRecord | State[RunRecord]:
    """Run a pipeline as a run of ``flow``, over its data set if it has one, score and report it."""
    system = System(flow, parameters, pipeline, hooks)
    system.preflight.check()
    run = Run(flow, parameters)
    with run:
        sets = system.load(run)
        executed = execute(
            system.pipeline, sets, run.store_url, parameters.seed, partial(record_progress, run)
        )
        system.finish(run, executed)
    return final_state(run.record)


def load_data(run: Run, loaded: StageRef | None = None) -> dict[str, StageRef]:
    """Load the data set that a run's parameters name, if they do; or take a finished one."""
    if loaded is not None:
        return {DATA: run.add(loaded.model_copy(update={"reused": True}))}
    data_set = run.parameters.data_set
    if data_set is None:
        return {}
    show_phase("reading the data")
    return {DATA: run.add(label_task(data_sets.load_data, run.label)(*data_set, run.store))}


def record_execution(run: Run, executed: PipelineResult) -> None:
    """Copy finished stages, the graph and the notes of its nodes into a run.

    What the run has of an earlier part of the same pipeline stays as it was noted then.
    """
    keys = {name: node_plan.stage.key for name, node_plan in executed.plans.items()}
    noted = set()
    for name, ref in executed.stages.items():
        if run.has_stage(ref):
            executed.statuses[name] = "reused" if run.stages[name].reused else "computed"
            continue
        run.add(ref)
        plan = executed.plans[name]
        data = run.stages.get(executed.pipeline.data_of(name))
        settings = with_models(plan.node.settings, plan.node, keys)
        same = executed.pipeline.user_name_of(name), ref.key  # a copy over dev learned the very same
        run.notes += [] if same in noted else plan.node.kind.notes(settings, plan.context, ref, data)
        noted.add(same)
        run.notes += [
            f"{name}: {count} of {max(len(plan.shards), 1)} shards reused from other numerics ({numerics})"
            for numerics, count in plan.equivalents.items()
        ]
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


def load_data_node(run: Run, languages: tuple[str | None, str | None], node: Node) -> StageRef:
    """Load the data set of a node of kind ``data``."""
    settings = node.settings
    assert isinstance(settings, DataSettings)
    source = (find_in_store(settings.source, run.store_url), None, *languages, settings.limit)
    return run.add(data_sets.load_data(*source, run.store), node.name)
