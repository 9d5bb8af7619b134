"""The executor of a pipeline: every node is a Prefect task that follows those it reads, shard by shard.

The unit of work is a shard of a node. It is ready when the shards that it reads are in the store, and is
computed when the lane of its device is free: one lane per device, what is downstream first, so that stages
run side by side and memory stays flat. Everything that is read travels through the store, so a run that was
stopped goes on inside every node.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event, Thread
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from prefect import get_run_logger
from prefect._flow_run_suspension import FlowRunSuspensionRequest  # the type of a context's field
from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.task_engine import run_task_sync
from prefect.utilities.engine import collect_task_run_inputs_sync

from components.models.weight_digests import resolve_weight_digests
from components.nodes.facts import Mode
from components.pipeline.items.idle_nodes import remove_idle_nodes
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import NodePlan, plan_nodes
from components.run_record import StageRef
from tasks.engines.engine import current_engine
from tasks.engines.node_at_work import Shards
from tasks.engines.run_coordinator import BlockedError, HaltedError, RunCoordinator, Status
from tasks.execution.current_node import CURRENT_NODE
from tasks.execution.node_run import NodeRun
from tasks.execution.node_task import compute_node
from tasks.execution.reviewers import REVIEWERS, asks_people

_POLL_SECONDS = 0.2
"""Seconds between two checks for a request to suspend."""
GRACE_SECONDS = 5.0
"""Seconds that shards in flight have after SIGTERM: half of what Docker gives."""


class PipelineResult(NamedTuple):
    """The result of a pipeline.

    Attributes:
        stages: the finished stages, by node.
        statuses: of every node; what did not end, as the run was stopped, is planned.
        errors: of the nodes that failed.
        plans: of every node.
        pipeline: as it ran: without nodes that have nothing to do with the data. Where a round had nothing to
            do, the one before is the output.
        asking: the nodes that wait for a person's answers.
    """

    stages: dict[str, StageRef]
    statuses: dict[str, Status]
    errors: dict[str, BaseException]
    plans: dict[str, NodePlan]
    pipeline: Pipeline
    asking: frozenset[str] = frozenset()

    def raise_first_error(self) -> None:
        """Raise the first error, where a node failed."""
        for error in self.errors.values():
            if not isinstance(error, BlockedError):
                raise error


Observer = Callable[[PipelineResult], object]
"""Called with what there is so far."""


def execute(
    pipeline: Pipeline,
    data: Mapping[str, StageRef],
    store: str | None,
    seed: int,
    observe: Observer = lambda result: None,
) -> PipelineResult:
    """Compute every node over its data set, or what is missing of it; finished stages are reused.

    A node that fails stops those that read it; the others go on. Nodes of one key are computed once.

    Args:
        pipeline: the graph.
        data: the data sets, by the names under which nodes read them.
        store: URL of the store.
        seed: of the run.
        observe: called where the run begins or ends to wait for a person, and where it is stopped.

    Raises:
        ConfigError: a person would have to be asked, and there is nobody.
        TerminationSignal, KeyboardInterrupt, Pause: the run is stopped; what was computed in time is kept.
    """
    pipeline = remove_idle_nodes(pipeline, data)
    plans = plan_nodes(pipeline, data, store, seed, resolve_weight_digests)
    if asks_people(pipeline):
        passing = REVIEWERS.only().pass_unattended_reviews(pipeline, plans)
        if passing is not pipeline:
            pipeline, plans = passing, plan_nodes(passing, data, store, seed, resolve_weight_digests)
    firsts: dict[str, str] = {}
    for name, planned in plans.items():
        firsts.setdefault(planned.stage.key, name)
    duplicates = {
        name: firsts[node_plan.stage.key]
        for name, node_plan in plans.items()
        if firsts[node_plan.stage.key] != name
    }
    coordinator = RunCoordinator(duplicates)

    def result() -> PipelineResult:
        return _collect_result(pipeline, plans, duplicates, coordinator)

    try:
        with _hide_suspension() as suspension:
            ended = _start_nodes(pipeline, plans, duplicates, data, coordinator)
            _wait_for_nodes(ended, coordinator, suspension, lambda: observe(result()))
            suspension.raise_if_requested()
    except BaseException:
        with suppress(Exception):  # the error itself is told
            observe(result())
        raise
    return result()


def _collect_result(
    pipeline: Pipeline,
    plans: Mapping[str, NodePlan],
    duplicates: Mapping[str, str],
    coordinator: RunCoordinator,
) -> PipelineResult:
    """Return what there is of a pipeline so far."""
    statuses = {name: coordinator.status.get(duplicates.get(name, name), "planned") for name in plans}
    stages = {}
    for name, planned in plans.items():
        ref = coordinator.ref(name) if coordinator.is_finished(name) else None
        if ref is not None and statuses[name] != "skipped":
            stages[name] = ref.model_copy(update={"stage": name, "kind": planned.node.kind.name})
    errors = {
        name: error
        for name in plans
        if (error := coordinator.errors.get(duplicates.get(name, name))) is not None
        and not isinstance(error, HaltedError)
    }
    outputs = resolve_outputs(pipeline, stages, statuses)
    asking = frozenset(name for name in plans if duplicates.get(name, name) in coordinator.asking)
    return PipelineResult(stages, statuses, errors, dict(plans), outputs, asking)


def resolve_outputs(
    pipeline: Pipeline, stages: Mapping[str, StageRef], statuses: Mapping[str, Status]
) -> Pipeline:
    """Return the pipeline with the outputs that it has: a skipped round is replaced by its last input."""
    outputs = {}
    for role, name in pipeline.outputs.items():
        node = pipeline.nodes[name]
        while (
            statuses.get(node.name) == "skipped"
            and node.kind.mode is Mode.ROUND
            and node.of[-1] in pipeline.nodes
        ):
            node = pipeline.nodes[node.of[-1]]
        outputs[role] = node.name if node.name in stages else name
    return replace(pipeline, outputs=outputs)


def _start_nodes(
    pipeline: Pipeline,
    plans: Mapping[str, NodePlan],
    duplicates: Mapping[str, str],
    data: Mapping[str, StageRef],
    coordinator: RunCoordinator,
) -> list[Event]:
    """Start a thread for each node, in which it runs as a task with edges to those that it reads.

    Returns:
        An event for each thread, set at its end. (In Python 3.11 ``Thread.join`` takes the thread for ended
        when the exception of a signal's handler interrupts it.)
    """
    ids: dict[str, UUID] = {name: uuid4() for name in plans}
    shards = _assign_shards(plans, duplicates, data, coordinator)
    threads, ended = [], []
    for name, planned in plans.items():
        if name in duplicates:
            continue
        first = {node: duplicates.get(node, node) for node in planned.node.reads.values() if node in plans}
        read: set[RunInput] = {TaskRunResult(id=ids[node]) for node in first.values()}
        for node in planned.node.reads.values():
            read |= collect_task_run_inputs_sync(data.get(node))
        run = NodeRun(pipeline, planned, data, coordinator, plans, shards.get(name))
        arguments: dict[str, Any] = {
            "task": compute_node,
            "task_run_id": ids[name],
            "parameters": {"name": name},
            "return_type": "state",
            "dependencies": {"name": read},
        }
        context = contextvars.copy_context()
        ended.append(Event())
        work = (_run_node, run, arguments, ended[-1])
        threads.append(Thread(target=context.run, args=work, name=f"node {name}", daemon=True))
    for thread in threads:
        thread.start()
    return ended


def _assign_shards(
    plans: Mapping[str, NodePlan],
    duplicates: Mapping[str, str],
    data: Mapping[str, StageRef],
    coordinator: RunCoordinator,
) -> dict[str, Shards]:
    """Return who computes the shards of nodes; those that are not named this process computes."""
    engine = current_engine()
    if engine is not None:
        return engine.assign_shards(plans, duplicates, data, coordinator)
    asking = [name for name, planned in plans.items() if planned.node.resources.describe()]
    if asking:
        get_run_logger().info(
            "%s: resources are for the engine ray; this process computes without them", ", ".join(asking)
        )
    return {}


def _run_node(run: NodeRun, arguments: Mapping[str, Any], ended: Event) -> None:
    """Run the node's task; what it raises is noted for the run, also where the task never began."""
    name, coordinator = run.node.name, run.coordinator
    CURRENT_NODE.set(run)
    try:
        state: Any = run_task_sync(**arguments)
        if not coordinator.has_ended(name):
            state.result()
    except BaseException as error:
        if not coordinator.has_ended(name):
            coordinator.fail(name, error)
    finally:
        ended.set()


def _wait_for_nodes(
    ended: list[Event],
    coordinator: RunCoordinator,
    suspension: FlowRunSuspensionRequest,
    observe: Callable[[], object] = lambda: None,
) -> None:
    """Wait until all nodes have ended; a signal or a suspension ends them earlier."""
    moment = coordinator.moment
    try:
        while at_work := [event for event in ended if not event.is_set()]:
            at_work[0].wait(_POLL_SECONDS)
            if coordinator.moment != moment:
                moment = coordinator.moment
                observe()
            if suspension.is_requested():
                coordinator.halt()
    except TerminationSignal:
        coordinator.halt(GRACE_SECONDS)
        for event in ended:
            event.wait(max(0.0, coordinator.seconds_left))
        raise
    except BaseException:
        coordinator.halt(0.0)
        raise


@contextmanager
def _hide_suspension() -> Iterator[FlowRunSuspensionRequest]:
    """Hide the flow's request to suspend from the tasks of the block, and give it to the block.

    Prefect would throw away what a task has computed when it finds the request at the task's end.
    """
    flow = FlowRunContext.get()
    assert flow is not None
    with flow.model_copy(update={"flow_run_suspension_request": FlowRunSuspensionRequest()}):
        yield flow.flow_run_suspension_request
