"""The engine of this process: a node's thread computes its shards, when the lane of its device is free."""

from __future__ import annotations

from collections.abc import Sequence

from components.compute import progress
from components.compute.machine import resolve_device_name
from components.nodes.node_context import Item
from components.storage.shards.shard import ShardHeader
from tasks.engines.node_at_work import NodeAtWork
from tasks.engines.node_job import ShardWork
from tasks.engines.shard_computation import compute_shard, measure_items, retry_transient
from tasks.progress import Progress, ShardSize


class LocalShards:
    """Finds or computes the shards of a node one after another, as soon as what they read is there."""

    def may_wait(self, run: NodeAtWork) -> bool:
        """Return whether a node may wait until all that it reads is finished: always."""
        return True

    def compute(self, run: NodeAtWork) -> list[ShardHeader]:
        """Return the headers of all shards of a node, in order."""
        shown: Progress | None = None
        headers = []
        for number, shard in enumerate(run.shards_of(run.data)):
            work = run.wait_for_work(number)
            header = run.find_shard(work, shard.ok)
            if header is None:
                run.coordinator.check_halted()
                shown = shown or Progress(run.counts)
                header = self._compute_shard(run, work, shard.ok, shown)
            headers.append(header)
            run.coordinator.advance(run.node.name, number, header)
        return headers

    def _compute_shard(
        self, run: NodeAtWork, work: ShardWork, utterances: int, shown: Progress
    ) -> ShardHeader:
        """Compute one shard in the lane of the node, again after errors that may pass."""
        job = run.job
        size: ShardSize | None = None

        def begin(items: Sequence[Item]) -> None:
            nonlocal size
            if size is None:  # not when it is tried again
                run.counts.gather(utterances, len(items))
            size = ShardSize(*measure_items(items, speech=job.reads_speech))

        def show(share: float) -> None:
            shown.show_share(work.number, size or ShardSize(0), share)

        lane = run.coordinator.hold_lane(lane_of(run), rank(run.depth, work.number))
        with lane, run.counts.work(), progress.listen(show):
            header = retry_transient(
                lambda: compute_shard(run.store, job, work, begin),
                run.coordinator.wait_seconds,
                run.node.name,
            )
        if size is None:  # another run was computing it: it counts as what was stored before
            run.count_stored(header, utterances)
        shown.advance(work.number, size or ShardSize(0))
        return header


def lane_of(run: NodeAtWork) -> str:
    """Return the lane that a node computes in: its device, or one of its own for what computes elsewhere."""
    device = run.node.facts.device
    if device is None:
        return f"node:{run.node.name}"
    if "torch" not in run.planned.stage.libraries:
        return "cpu"
    return resolve_device_name(device)


def rank(depth: int, number: int) -> tuple[int, int]:
    """Return the order in a lane: what is farthest downstream goes first, then what comes first."""
    return -depth, number
