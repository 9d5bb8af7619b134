"""Segments of a graph: nodes that follow each other shard by shard, between nodes that read whole sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from components.nodes.facts import Mode
from components.pipeline.planning import NodePlan


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
