"""Plain data that travel to whoever computes shards, in this process or in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from components.nodes.node_context import NodeContext
from components.pipeline.items.item_gatherer import ItemGatherer
from components.pipeline.items.shard_items import ShardSource
from components.storage.stages.stage_plan import StagePlan


class NodeJob(NamedTuple):
    """What a process needs to know of a node to compute its shards.

    Attributes:
        plan: of its stage.
        settings: the node's, as JSON.
        context: where it computes.
        device: that it computes on, as it is set.
        threads: of torch.
        gatherer: makes its items.
        reads_speech: whether seconds of speech measure its speed.
        owns_device: whether the process has its device to itself, as another decides who has which.
    """

    plan: StagePlan
    settings: str
    context: NodeContext
    device: str
    threads: int
    gatherer: ItemGatherer
    reads_speech: bool = False
    owns_device: bool = False


class ShardWork(NamedTuple):
    """One shard of a node.

    Attributes:
        number: its position in the data set, for people.
        key: its address.
        data: address of the shard of the data set.
        sources: node that is read -> where its outcomes are.
        read: what is read, as the header states it; None where any stored shard of that key is taken.
        alike: what it shares with shards that differ by numerics alone.
    """

    number: int
    key: str
    data: str
    sources: Mapping[str, ShardSource]
    read: Mapping[str, tuple[str, str]] | None
    alike: str | None = None
