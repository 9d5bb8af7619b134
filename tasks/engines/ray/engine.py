"""The engine ray: workers of a cluster compute the shards of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.data.stage import BuiltShard, DataShards
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tasks.engines.node_at_work import Shards
from tasks.engines.ray.driver_process import DriverProcess
from tasks.engines.ray.loading import RayLoading
from tasks.engines.ray.node_shards import RayShards
from tasks.engines.ray.segment import Segment
from tasks.engines.ray.segments import list_segments
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
