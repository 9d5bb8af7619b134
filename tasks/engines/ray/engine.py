"""The engine ray: workers of a cluster compute the shards of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from components.data.stage import BuiltShard, DataShards
from components.nodes.facts import Mode
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tasks.engines.node_at_work import Shards
from tasks.engines.ray.driver_process import DriverProcess
from tasks.engines.ray.loading import RayLoading
from tasks.engines.ray.node_shards import RayShards
from tasks.engines.ray.segment import Segment
from tasks.engines.run_coordinator import RunCoordinator


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
