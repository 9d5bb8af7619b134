"""One node of a run as a Prefect task: its shards follow those that it reads, in order, through its lane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from components.compute.machine import resolve_device_name
from components.data.files.documents import cut_slices
from components.errors import StoreError
from components.models.weight_digests import resolve_weight_digests
from components.nodes.facts import Mode
from components.nodes.node_context import Item, NodeContext
from components.nodes.questions import Answers, Question
from components.pipeline.item_gatherer import ItemGatherer, Slice, has_stopped
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import MIN_SHARD_SIZE, NodePlan, make_stage_plan, with_models, with_tables
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances
from components.storage.stages.stage_writer import open_stage
from components.storage.stages.whole_stage import StageFiles, compute_once, discard_work
from components.storage.store import Store
from reports.terminal.node_progress import NodeProgress
from tasks import task_runners
from tasks.execution.reviewing import ask_in_prefect
from tasks.execution.run_coordinator import RunCoordinator
from tasks.execution.shards.shard_job import ShardJob
from tasks.execution.shards.sharded_stage import ShardedStage, ShardWork, rank
from tasks.progress import WholeProgress


class NodeRun:
    """Computes the stage of one node, or what is missing of it.

    Args:
        pipeline: the graph.
        planned: the node and its plan.
        data: the data sets by name.
        coordinator: of the nodes of the run.
        keys: of the stages of all nodes, by name.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        planned: NodePlan,
        data: Mapping[str, StageRef],
        coordinator: RunCoordinator,
        keys: Mapping[str, str],
    ) -> None:
        """``data``: the data sets, ``keys``: those of the stages of all nodes, by name."""
        self.pipeline = pipeline
        self.planned = planned
        self.node = planned.node
        self.data_sets = data
        self.coordinator = coordinator
        self.keys = keys
        self.store = Store(planned.context.store)
        self.all_idle = False
        """Whether nothing is to be done for any of its items, though there are some."""
        self.progress: NodeProgress | None = None
        """What it has computed, from when it begins to."""
        self._depth = pipeline.depth_of(self.node.name)

    @property
    def data(self) -> StageRef:
        """The utterances of a node that reads some."""
        return self.data_sets[self.pipeline.data_of(self.node.name)]

    def compute(self) -> StageRef | None:
        """Return the finished stage; None where no utterance had anything to do with the node."""
        kind, plan = self.node.kind, self.planned.stage
        read: dict[str, str] | None = None
        if kind.mode is not Mode.PER_ITEM or self.store.find_stage(plan) is not None:
            read = self._wait_for_all()
            finished = self.store.find_stage(plan, read)
            if finished is not None:
                discard_work(Path(finished.path))
                return finished
            if kind.mode.is_whole:
                return self._compute_whole(read)
            if not self._has_work():
                return None
        return self._compute_shards(read)

    def _has_work(self) -> bool:
        """Return whether any item needs work, and set ``all_idle``: there are items, and none does."""
        for part in self._read_slices():
            for item in part.items:
                if self.node.kind.mode is not Mode.ROUND or not has_stopped(item):
                    self.all_idle = False
                    return True
                self.all_idle = True
        return False

    # What it reads

    def _wait_for_all(self) -> dict[str, str]:
        """Wait for everything that the node reads and return the digests, by role."""
        refs = {role: self._wait_for_ref(name) for role, name in self.node.reads.items()}
        # Of utterances the digest of what decides results stands in the key; where their audio lies does not.
        return {role: ref.sha256 for role, ref in refs.items() if ref is not None and ref.content is None}

    def _wait_for_ref(self, name: str) -> StageRef | None:
        return self.data_sets[name] if name in self.data_sets else self.coordinator.wait_for(name)

    def _folder_of(self, name: str) -> Path | None:
        """Return where the outcomes of a node are, or are being written; None where there are none."""
        if self.coordinator.is_finished(name):
            ref = self.coordinator.ref(name)
            return None if ref is None else Path(self.store.localize(ref).path)
        return self.store.stage_folder(self.keys[name])

    def _read_slices(self) -> Iterator[Slice]:
        """Yield the items of every slice of the data set, each as soon as what it reads is there."""
        size = self.planned.stage.shard_size or MIN_SHARD_SIZE
        followed = {name for role, name in self.node.reads.items() if role not in self.node.tables}
        read = sorted(followed - self.data_sets.keys())
        gatherer: ItemGatherer | None = None
        for number, batch in enumerate(cut_slices(read_utterances(self.data), size)):
            for name in read:
                self.coordinator.wait_for_shard(name, number)
            if gatherer is None:
                folders = {name: self._folder_of(name) for name in read}
                existing = {name: folder for name, folder in folders.items() if folder is not None}
                gatherer = ItemGatherer(self.pipeline, self.node, existing)
            yield Slice(number, len(batch), gatherer.gather(batch))

    # Shards

    def _compute_shards(self, read: dict[str, str] | None) -> StageRef | None:
        """Compute shard after shard; nothing is opened before there is something to do.

        Args:
            read: digests of what it reads, where that is finished and an earlier stage may be stale.
        """
        slices = self._read_slices()
        first: list[Slice] = []
        for part in slices:
            first.append(part)
            if part.items:
                break
        else:
            return None

        with open_stage(self.store, self.planned.stage, read_digests=read) as writer:
            if writer.ref is not None:  # another run has finished it meanwhile
                return writer.ref
            progress = self.progress = NodeProgress(self.node.name, self.data.items - self.data.quarantined)

            def counted() -> Iterator[tuple[int, list[Item]]]:
                for number, utterances, items in chain(first, slices):
                    progress.gather(utterances, len(items))
                    yield number, items

            ShardedStage(writer, self._make_shard_work(), self.coordinator, progress).run(counted())
            writer.read_digests = self._wait_for_all()
            self.node.kind.check_outcomes(self.node.settings, writer.path)
            ids = None if self.node.facts.may_drop else self._read_ids()
            return writer.finish(ids)

    def _read_ids(self) -> Iterator[str]:
        return (item.utterance.id for part in self._read_slices() for item in part.items)

    def _make_shard_work(self) -> ShardWork:
        reads_speech = "speech" in self.node.kind.reads
        return ShardWork(self.node.name, self.lane_name(), self._depth, self.make_job, reads_speech)

    def make_job(self) -> ShardJob:
        """Return what a process needs to know to compute shards."""
        context = with_tables(self.planned.context, self.node, self._find_tables())
        settings = with_models(self.node.settings, self.node, self.keys)
        device = self.node.kind.facts(settings).device or "cpu"
        threads = 1
        if "torch" in self.planned.stage.libraries:
            from components.compute.device import count_torch_threads  # noqa: PLC0415 - imports torch

            threads = count_torch_threads()
        return ShardJob(self.planned.stage, settings.model_dump_json(), context, device, threads)

    def _find_tables(self) -> dict[str, StageRef]:
        refs = {name: self._wait_for_ref(name) for name in self.node.tables.values()}
        return {name: self.store.localize(ref) for name, ref in refs.items() if ref is not None}

    def lane_name(self) -> str:
        """Return the lane that it computes in: its device, or one of its own for what computes elsewhere."""
        device = self.node.facts.device
        if device is None:
            return f"node:{self.node.name}"
        if "torch" not in self.planned.stage.libraries:
            return "cpu"
        return resolve_device_name(device)

    def find_first_text(self) -> StageRef | None:
        """Return the stage of the first text that a finished node has read."""
        names = [name for name in self.node.of if self.pipeline.type_of(name) == "text"]
        refs = [self.coordinator.ref(name) for name in names if self.coordinator.is_finished(name)]
        return next((self.store.localize(ref) for ref in refs if ref is not None), None)

    # Whole

    def _compute_whole(self, read: dict[str, str]) -> StageRef:
        job = self.make_job()
        kind = self.node.kind
        refs = {role: self._wait_for_ref(name) for role, name in self.node.reads.items()}
        stages = {role: self.store.localize(ref) for role, ref in refs.items() if ref is not None}
        settings = kind.settings.model_validate_json(job.settings)

        context = self._with_progress(job.context)

        def work(folder: Path) -> StageFiles:
            if kind.mode is not Mode.WHOLE:
                return kind.collect(settings, self._with_costs(context), self._read_items(), folder)
            return kind.make(settings, context, stages, folder)

        def work_with_torch(folder: Path) -> StageFiles:
            from tasks.execution.shards.device_context import whole_stage_context  # noqa: PLC0415 - imports torch

            with whole_stage_context(job, kind.facts(settings).files):
                return work(folder)

        compute = work_with_torch if "torch" in self.planned.stage.libraries else work

        # On a cluster shards are computed elsewhere, more than one at a time; this is computed here.
        lane = self.lane_name() if task_runners.runner_name() == "threads" else f"here:{self.lane_name()}"
        self.coordinator.open_lane(lane, 1)
        with self.coordinator.hold_lane(lane, rank(self._depth, 0)):
            return compute_once(self.store, self.planned.stage, compute, read)

    def _with_progress(self, context: NodeContext) -> NodeContext:
        """Return the site of a node that is made in one piece, with progress shown and stopping checked."""
        self.progress = NodeProgress(self.node.name, 100, is_percentage=True)
        bar = WholeProgress(self.progress, self.node.kind.summary)

        def progress(percent: float) -> None:
            self.coordinator.check_halted()
            bar.show(percent)

        return replace(context, progress=progress, verify=self._verify_plan, ask=self._ask)

    def _ask(self, name: str, questions: Sequence[Question], hours: float) -> Answers:
        with self.coordinator.ask(self.node.name):
            return ask_in_prefect(name, questions, hours)

    def _with_costs(self, context: NodeContext) -> NodeContext:
        """Return the site with the seconds that everything above each input took."""
        costs = {}
        for name in self.node.of:
            above = [
                node.name for node in self.pipeline.subgraph_of(name) if not self.pipeline.is_data(node.name)
            ]
            refs = {node: self.coordinator.ref(node) for node in above}
            costs[name] = {node: ref.seconds for node, ref in refs.items() if ref is not None}
        return replace(context, costs=costs)

    def _verify_plan(self) -> None:
        """Raise StoreError where what the node reads has changed since it was planned."""
        planned = self.planned.stage
        here = make_stage_plan(self.node, self.planned.context, planned.upstream, 0, resolve_weight_digests)
        if here.key != planned.key:
            raise StoreError(
                f"{self.node.name}: expected data and models as planned, found others; run it again"
            )

    def _read_items(self) -> Iterator[Item]:
        """Yield its items one by one, until the run is to stop."""
        for part in self._read_slices():
            self.coordinator.check_halted()
            yield from part.items
