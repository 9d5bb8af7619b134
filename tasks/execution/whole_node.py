"""The stage of a node that is made in one piece: in its lane, with progress shown and stopping checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from components.errors import StoreError
from components.files.fault_reports import explain_faults
from components.models.weight_digests import resolve_weight_digests
from components.nodes.facts import Mode
from components.nodes.node_context import Item, NodeContext
from components.nodes.questions import Answers, Question
from components.pipeline.stage_planning import make_stage_plan
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles, compute_once
from reports.terminal.node_progress import NodeProgress
from tasks.engines.local import lane_of, rank
from tasks.engines.node_at_work import NodeAtWork
from tasks.engines.run_coordinator import HaltedError
from tasks.execution.reviewers import REVIEWERS
from tasks.progress import WholeProgress


def compute_whole(run: NodeAtWork, read: Mapping[str, str]) -> StageRef:
    """Return the finished stage of a node that makes files of all that it reads.

    Args:
        run: the node.
        read: digests of what it reads, by role.
    """
    job, kind = run.job, run.node.kind
    refs = {role: run.wait_for_ref(name) for role, name in run.node.reads.items()}
    stages = {role: run.store.localize(ref) for role, ref in refs.items() if ref is not None}
    settings = kind.settings.model_validate_json(job.settings)
    context = _with_progress(run, job.context)

    def work(folder: Path) -> StageFiles:
        with explain_faults(run.node.name, passing=(HaltedError,)):
            if kind.mode is not Mode.WHOLE:
                return kind.collect(settings, _with_costs(run, context), _read_items(run), folder)
            return kind.make(settings, context, stages, folder)

    def work_with_torch(folder: Path) -> StageFiles:
        from tasks.engines.device_context import whole_stage_context  # noqa: PLC0415 - imports torch

        with whole_stage_context(job, kind.facts(settings).files):
            return work(folder)

    compute = work_with_torch if "torch" in run.planned.stage.libraries else work
    with run.coordinator.hold_lane(lane_of(run), rank(run.depth, 0)):
        return compute_once(run.store, run.planned.stage, compute, read)


def _with_progress(run: NodeAtWork, context: NodeContext) -> NodeContext:
    """Return the context in which a node shows how far it is, and asks."""
    run.progress = NodeProgress(run.node.name, 100, is_percentage=True)
    bar = WholeProgress(run.progress, run.node.kind.summary)

    def show(percent: float) -> None:
        run.coordinator.check_halted()
        bar.show(percent)

    def ask(name: str, questions: Sequence[Question], hours: float) -> Answers:
        with run.coordinator.ask(run.node.name):
            return REVIEWERS.only().ask(name, questions, hours)

    return replace(context, progress=show, verify=lambda: _verify_plan(run), ask=ask)


def _with_costs(run: NodeAtWork, context: NodeContext) -> NodeContext:
    """Return the context with the seconds that everything above each input took."""
    costs = {}
    for name in run.node.of:
        above = [node.name for node in run.pipeline.subgraph_of(name) if not run.pipeline.is_data(node.name)]
        refs = {node: run.coordinator.ref(node) for node in above}
        costs[name] = {node: ref.seconds for node, ref in refs.items() if ref is not None}
    return replace(context, costs=costs)


def _verify_plan(run: NodeAtWork) -> None:
    """Raise StoreError where what the node reads has changed since it was planned."""
    planned = run.planned.stage
    here = make_stage_plan(run.node, run.planned.context, planned.upstream, resolve_weight_digests)
    if here.fingerprint != planned.fingerprint:
        raise StoreError(f"{run.node.name}: expected data and models as planned, found others; run it again")


def _read_items(run: NodeAtWork) -> Iterator[Item]:
    """Yield its items one by one, until the run is to stop."""
    for items in run.read_item_shards():
        run.coordinator.check_halted()
        yield from items
