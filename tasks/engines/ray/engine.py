"""The engine ray: workers of a cluster compute the shards of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from components.data.stage import BuiltShard, DataShards
from components.nodes.facts import Mode
from components.pipeline.items.shard_items import ShardSource
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tasks.engines.node_at_work import NodeAtWork, Shards
from tasks.engines.ray.driver_process import DriverProcess
from tasks.engines.ray.loading import RayLoading
from tasks.engines.ray.messages import Event
from tasks.engines.ray.segment import Inbox, Part, Segment, check_complete
from tasks.engines.run_coordinator import RunCoordinator
from tasks.progress import Progress, ShardSize


class RayEngine:
    """Ray as the engine of a run.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self) -> None:
        self._driver = DriverProcess()

    def assign_shards(
        self,
        plans: Mapping[str, NodePlan],
        duplicates: Mapping[str, str],
        data: Mapping[str, StageRef],
        coordinator: RunCoordinator,
    ) -> dict[str, Shards]:
        """Return who computes the shards of nodes: the segment of each."""
        shards: dict[str, Shards] = {}
        for members in list_segments(plans, duplicates):
            keys = [shard.key for shard in read_shards(data[str(plans[members[0]].own)])]
            segment = Segment(members, keys, self._driver, coordinator)
            shards |= {name: RayShards(segment) for name in members}
        return shards

    def build_shards(self, shards: DataShards, store: Store) -> Iterator[BuiltShard]:
        """Open, check and store the rows of a data set; its shards in order."""
        return RayLoading(self._driver)(shards, store)

    def close(self, *, at_once: bool) -> None:
        """End the driver, and a cluster that it has started."""
        self._driver.close(at_once=at_once)


def list_segments(plans: Mapping[str, NodePlan], duplicates: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the segments, each with its nodes in the order of computing.

    No node of a segment waits for one of the same segment to be finished, itself or through others.

    Args:
        plans: of all nodes, each after those that it reads.
        duplicates: node -> the node whose stage is also its own; it is in no segment.
    """
    levels: dict[str, int] = {}
    groups: dict[str, str] = {}
    for name, planned in plans.items():
        if name in duplicates:
            continue
        read = {duplicates.get(other, other) for other in planned.node.reads.values()} & levels.keys()
        followed = {duplicates.get(other, other) for other in follow(planned, plans)}
        levels[name] = max((levels[other] + (other not in followed) for other in read), default=0)
        groups[name] = name
        for other in followed:
            if levels[other] == levels[name]:
                _merge(groups, groups[other], groups[name])
    members = defaultdict(list)
    for name in levels:
        if plans[name].shards:
            members[groups[name]].append(name)
    return [tuple(names) for names in members.values()]


def follow(planned: NodePlan, plans: Mapping[str, NodePlan]) -> set[str]:
    """Return the nodes that a node reads shard by shard, beside which it computes."""
    node = planned.node
    if not planned.shards or node.kind.mode is not Mode.PER_ITEM:
        return set()
    read = {name for role, name in node.reads.items() if role not in node.tables and name in plans}
    return {name for name in read if plans[name].shards and plans[name].own == planned.own}


def _merge(groups: dict[str, str], old: str, new: str) -> None:
    for name, group in groups.items():
        if group == old:
            groups[name] = new


class RayShards:
    """Finds the shards of a node that are stored, and has the others computed with those of its segment.

    Args:
        segment: the node's.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._known: dict[int, ShardHeader] = {}
        self._missing: dict[int, dict[str, tuple[str, str]]] = {}
        self._stages: dict[str, StageRef] = {}

    def may_wait(self, run: NodeAtWork) -> bool:
        """Return whether a node may wait until all that it reads is finished.

        A node of its segment whose shards will be computed by the same job is not, before this one joins.
        """
        return not self._segment.wait_for_decision(run.gatherer.followed)

    def compute(self, run: NodeAtWork) -> list[ShardHeader]:
        """Return the headers of all shards of a node, in order."""
        self._segment.wait_for_decision(run.gatherer.followed)
        for number, shard in enumerate(run.shards_of(run.data)):
            self._look(run, number, shard.ok)
        job = run.job._replace(owns_device=True) if self._missing else None
        if job is not None:  # other processes may be in another folder
            job = job._replace(context=replace(job.context, store=run.store.backend.url))
        utterances = sum(run.shards_of(run.data)[number].ok for number in self._missing)
        part = Part(run.planned, job, self._known, self._missing, self._stages, utterances)
        headers = dict(self._known)
        inbox = self._segment.join(part)
        for number, header in sorted(self._known.items()):
            run.coordinator.advance(run.node.name, number, header)
        if self._missing:
            self._collect(run, inbox, headers)
        return [headers[number] for number in sorted(headers)]

    def _look(self, run: NodeAtWork, number: int, utterances: int) -> None:
        """Look for a shard, as far as it is known what that reads."""
        sources: dict[str, tuple[ShardSource, str]] = {}
        is_known = True
        for name in run.gatherer.followed:
            part = self._segment.find_part(name)
            if part is None:
                source = run.wait_for_source(name, number)
                if source is not None:
                    sources[name] = source
            elif number in part.known:
                header = part.known[number]
                sources[name] = ShardSource(header.key), header.sha256
            else:
                is_known = False
        found = run.find_shard(run.make_work(number, sources), utterances) if is_known else None
        if found is not None:
            self._known[number] = found
            return
        self._stages |= {
            name: source.stage for name, (source, _) in sources.items() if source.stage is not None
        }
        self._missing[number] = {
            run.coordinator.original_of(name): (source.key, digest)
            for name, (source, digest) in sources.items()
            if source.key
        }

    def _collect(self, run: NodeAtWork, inbox: Inbox, headers: dict[int, ShardHeader]) -> None:
        """Add the headers of the missing shards as they are told, and show how far the node is."""
        shown = Progress(run.counts)
        entries = run.shards_of(run.data)
        while len(headers) < len(entries):
            event = inbox.next_shard()
            if event is None:
                break
            if event.number not in headers:
                headers[event.number] = ShardHeader.model_validate_json(event.header)
                self._count(run, event, headers[event.number], entries[event.number].ok, shown)
                run.coordinator.advance(run.node.name, event.number, headers[event.number])
        for number in sorted(self._missing.keys() - headers.keys()):
            # Of a node whose input has failed, or what was stored while nobody heard of it.
            header = run.find_shard(run.wait_for_work(number), entries[number].ok)
            if header is not None:
                headers[number] = header
                run.coordinator.advance(run.node.name, number, header)
        run.coordinator.check_halted()
        check_complete(run.node.name, len(entries) - len(headers))

    def _count(
        self, run: NodeAtWork, event: Event, header: ShardHeader, utterances: int, shown: Progress
    ) -> None:
        size = ShardSize(*event.size or (0.0,))
        if event.size is None:
            run.count_stored(header, utterances)
        else:
            run.counts.gather(utterances, round(size.items))
        shown.advance(event.number, size)
