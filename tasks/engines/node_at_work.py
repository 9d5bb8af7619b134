"""What engines know of a node at work, and what a node asks of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from components.nodes.node_context import Item
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.items.shard_items import ShardSource
from components.pipeline.pipeline import Node, Pipeline
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.shards.shard import ShardEntry, ShardHeader
from components.storage.store import Store
from reports.terminal.node_progress import NodeProgress
from tasks.engines.node_job import NodeJob, ShardWork
from tasks.engines.run_coordinator import RunCoordinator


class NodeAtWork(Protocol):
    """A node of a run whose shards, or files, are found or computed.

    Attributes:
        pipeline: the graph.
        node: the node.
        planned: its plan.
        store: where.
        coordinator: of the nodes of the run.
        gatherer: makes its items.
        depth: how far downstream it is.
        progress: what it has computed, from when it begins to.
    """

    pipeline: Pipeline
    node: Node
    planned: NodePlan
    store: Store
    coordinator: RunCoordinator
    gatherer: ItemGatherer
    depth: int
    progress: NodeProgress | None

    @property
    def data(self) -> StageRef:
        """The utterances that it reads."""

    @property
    def job(self) -> NodeJob:
        """What a process needs to know to compute."""

    @property
    def counts(self) -> NodeProgress:
        """What it has computed."""

    def shards_of(self, ref: StageRef) -> tuple[ShardEntry, ...]:
        """Return the shards of a finished stage, in order."""

    def wait_for_ref(self, name: str) -> StageRef | None:
        """Wait for what is read under a name; None of a node that had nothing to do."""

    def read_item_shards(self) -> Iterator[list[Item]]:
        """Yield the items of every shard of the data set, each as soon as what it reads is there."""

    def wait_for_work(self, number: int) -> ShardWork:
        """Wait for all that a shard of the node reads, and return what computes it."""

    def make_work(self, number: int, sources: Mapping[str, tuple[ShardSource, str]]) -> ShardWork:
        """Return what computes a shard, given where what it reads is, and its digest."""

    def wait_for_source(self, name: str, number: int) -> tuple[ShardSource, str] | None:
        """Return where a node's outcomes for a shard of the data are, and their digest; None of none."""

    def find_shard(self, work: ShardWork, utterances: int) -> ShardHeader | None:
        """Return a shard that is stored, and count it; None where it is to be computed."""

    def count_stored(self, header: ShardHeader, utterances: int) -> None:
        """Count a shard that an earlier attempt, or another run, has computed."""


class Shards(Protocol):
    """Who finds or computes the shards of a node: an engine."""

    def may_wait(self, run: NodeAtWork) -> bool:
        """Return whether the node may wait until all that it reads is finished."""

    def compute(self, run: NodeAtWork) -> list[ShardHeader]:
        """Return the headers of all its shards, in order."""
