"""One node of a run as a Prefect task: its shards follow those that it reads, in order, through its lane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from itertools import islice
from pathlib import Path

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed

from components.errors import StoreError
from components.machine import device_name
from components.models.weights import weights_at
from components.nodes.kind import Item, Site
from components.pipeline.gathering import Gatherer
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import SMALLEST, NodePlan, stage_plan, with_models, with_tables
from components.records import StageRef
from components.storage.reader import utterances
from components.storage.stage_writer import opened
from components.storage.store import Store
from components.storage.whole_stage import Product, compute_once, discard_work
from tasks import runners
from tasks.board import BlockedError, Board, HaltedError
from tasks.job import Job
from tasks.node_artifacts import publish_node
from tasks.options import shown
from tasks.progress import ProgressBar
from tasks.sharded_stage import ShardedStage, ShardWork, rank


class NodeRun:
    """Computes the stage of one node, or what is missing of it."""

    def __init__(
        self,
        pipeline: Pipeline,
        planned: NodePlan,
        data: Mapping[str, StageRef],
        board: Board,
        keys: Mapping[str, str],
    ) -> None:
        """``data``: the data sets, ``keys``: those of the stages of all nodes, by name."""
        self.pipeline = pipeline
        self.planned = planned
        self.node = planned.node
        self.data_sets = data
        self.board = board
        self.keys = keys
        self.store = Store(planned.site.store)
        self.idle = False
        """Whether nothing is to be done for any of its items, though there are some."""
        self._depth = pipeline.depth_of(self.node.name)

    @property
    def data(self) -> StageRef:
        """The utterances of a node that reads some."""
        return self.data_sets[self.pipeline.data_of(self.node.name)]

    def compute(self) -> StageRef | None:
        """The finished stage; None where none of the utterances had anything to do with the node."""
        kind, plan = self.node.kind, self.planned.stage
        read: dict[str, str] | None = None
        if kind.whole or kind.waits or self.store.find(plan) is not None:
            read = self._wait_for_all()
            finished = self.store.find(plan, read)
            if finished is not None:
                discard_work(Path(finished.path))
                return finished
            if kind.whole:
                return self._make(read)
            if not self._has_work():
                return None
        return self._compute_shards(read)

    def _has_work(self) -> bool:
        """Whether something is to be done for any item; ``idle``: for none of those that there are."""
        for _, items in self._slices():
            for item in items:
                if not self.node.kind.idle(item):
                    self.idle = False
                    return True
                self.idle = True
        return False

    # What it reads

    def _wait_for_all(self) -> dict[str, str]:
        """Digests of everything that the node reads, by role, once all of it is finished."""
        refs = {role: self._ref(name) for role, name in self.node.reads.items()}
        # Of utterances the digest of what decides results stands in the key; where their audio lies does not.
        return {role: ref.sha256 for role, ref in refs.items() if ref is not None and ref.content is None}

    def _ref(self, name: str) -> StageRef | None:
        return self.data_sets[name] if name in self.data_sets else self.board.wait_for(name)

    def _folder(self, name: str) -> Path | None:
        """Where the outcomes of a node are, or are being written."""
        if self.board.is_finished(name):
            ref = self.board.ref(name)
            return None if ref is None else Path(self.store.at_hand(ref).path)
        return self.store.folder(self.keys[name])

    def _slices(self) -> Iterator[tuple[int, list[Item]]]:
        """The items of every slice of the data set, each as soon as what it reads is there."""
        size = self.planned.stage.shard_size or SMALLEST
        followed = {name for role, name in self.node.reads.items() if role not in self.node.tables}
        read = sorted(followed - self.data_sets.keys())
        gatherer: Gatherer | None = None
        rest = utterances(self.data)
        for number, batch in enumerate(iter(lambda: list(islice(rest, size)), [])):
            for name in read:
                self.board.wait_for_shard(name, number)
            if gatherer is None:
                folders = {name: self._folder(name) for name in read}
                known = {name: folder for name, folder in folders.items() if folder is not None}
                gatherer = Gatherer(self.pipeline, self.node, known)
            yield number, gatherer.items(batch)

    # Shards

    def _compute_shards(self, read: dict[str, str] | None) -> StageRef | None:
        """Compute shard after shard; nothing is opened before there is something to do.

        ``read`` are the digests of what it reads, where that is finished and another stage may be stale.
        """
        slices = self._slices()
        empty = []
        for number, items in slices:
            if items:
                break
            empty.append(number)
        else:
            return None

        def everything() -> Iterator[tuple[int, list[Item]]]:
            yield from ((each, []) for each in empty)
            yield number, items
            yield from slices

        with opened(self.store, self.planned.stage, read=read) as writer:
            if writer.ref is not None:  # another run has finished it meanwhile
                return writer.ref
            total = self.data.items - self.data.quarantined
            ShardedStage(writer, self._shard_work(), self.board, total).run(everything())
            writer.read = self._wait_for_all()
            ids = None if self.node.kind.filters else self._ids()
            return writer.finish(ids)

    def _ids(self) -> Iterator[str]:
        return (item.utterance.id for _, items in self._slices() for item in items)

    def _shard_work(self) -> ShardWork:
        return ShardWork(self.node.name, self.lane(), self._depth, self.job)

    def job(self) -> Job:
        """What a process needs to know to compute shards."""
        site = with_tables(self.planned.site, self.node, self._tables())
        settings = with_models(self.node.settings, self.node, self.keys)
        device = self.node.kind.device(settings) or "cpu"
        threads = 1
        if "torch" in self.planned.stage.libraries:
            from components.device import torch_threads  # noqa: PLC0415 - imports torch

            threads = torch_threads()
        return Job(self.planned.stage, settings.model_dump_json(), site, device, threads)

    def _tables(self) -> dict[str, StageRef]:
        refs = {name: self._ref(name) for name in self.node.tables.values()}
        return {name: self.store.at_hand(ref) for name, ref in refs.items() if ref is not None}

    def lane(self) -> str:
        """The device that it computes on, or a lane of its own for what computes elsewhere."""
        device = self.node.kind.device(self.node.settings)
        if device is None:
            return f"node:{self.node.name}"
        if "torch" not in self.planned.stage.libraries:
            return "cpu"
        return device_name(device)

    def first_text(self) -> StageRef | None:
        """The stage of the first text that a finished node has read."""
        names = [name for name in self.node.of if self.pipeline.sort_of(name) == "text"]
        refs = [self.board.ref(name) for name in names if self.board.is_finished(name)]
        return next((self.store.at_hand(ref) for ref in refs if ref is not None), None)

    # Whole

    def _make(self, read: dict[str, str]) -> StageRef:
        job = self.job()
        kind = self.node.kind
        refs = {role: self._ref(name) for role, name in self.node.reads.items()}
        known = {role: self.store.at_hand(ref) for role, ref in refs.items() if ref is not None}
        settings = kind.settings.model_validate_json(job.settings)

        site = self._watched(job.site)

        def work(folder: Path) -> Product:
            if kind.gathers:
                return kind.collect(settings, site, self._items(), folder)
            return kind.make(settings, site, known, folder)

        def work_with_torch(folder: Path) -> Product:
            from tasks.computing import making  # noqa: PLC0415 - imports torch

            with making(job, kind.files(settings)):
                return work(folder)

        chosen = work_with_torch if "torch" in self.planned.stage.libraries else work

        # On a cluster shards are computed elsewhere, more than one at a time; this is computed here.
        lane = self.lane() if runners.kind() == "threads" else f"here:{self.lane()}"
        self.board.open_lane(lane, 1)
        with self.board.turn(lane, rank(self._depth, 0)):
            return compute_once(self.store, self.planned.stage, chosen, read)

    def _watched(self, site: Site) -> Site:
        """The site of a node that is made whole here, where it can be watched and stopped."""
        bar = ProgressBar(self.node.name, self.node.kind.summary)

        def progress(percent: float) -> None:
            self.board.check()
            bar.show(percent)

        return replace(site, progress=progress, verify=self._verify)

    def _verify(self) -> None:
        """Raise StoreError where what the node reads has changed since it was planned."""
        planned = self.planned.stage
        here = stage_plan(self.node, self.planned.site, planned.upstream, 0, weights_at)
        if here.key != planned.key:
            raise StoreError(
                f"{self.node.name}: expected data and models as planned, found others: run it again"
            )

    def _items(self) -> Iterator[Item]:
        """Its items one by one, as far as the run goes on."""
        for _, items in self._slices():
            self.board.check()
            yield from items


AT_WORK: ContextVar[NodeRun] = ContextVar("node at work")
"""The node of this thread."""


def compute_at_work() -> StageRef | State[StageRef | None]:
    """Compute a node, tell the others of the run, and show what came of it."""
    run = AT_WORK.get()
    name, board = run.node.name, run.board
    try:
        ref = run.compute()
    except HaltedError as error:
        board.fail(name, error)
        return Cancelled(message="the run was stopped; finished shards are kept")
    except BlockedError as error:
        board.fail(name, error)
        return Failed(name="Blocked", message=str(error))
    except BaseException as error:
        board.fail(name, error)
        raise
    if ref is None:
        stands_for = run.node.of[-1] if run.idle else ""
        board.finish(name, board.ref(stands_for) if board.is_finished(stands_for) else None, "skipped")
        return shown(None)
    board.finish(name, ref, "reused" if ref.reused else "computed")
    publish_node(run.pipeline, run.node, ref, run.data_sets, run.first_text())
    return shown(ref)
