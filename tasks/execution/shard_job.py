"""What travels to a process that computes a shard, and what comes back: plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from components.nodes.kind import Item, Site
from components.storage.stage_plan import StagePlan


class ShardResult(NamedTuple):
    """What one shard came to, as the JSON lines that are stored, and its cost."""

    outputs: list[str]
    errors: list[str]
    seconds: float
    peak_memory_bytes: int


class ShardJob(NamedTuple):
    """What a process needs to know of a node to compute shards of it; plain data, as workers get it."""

    plan: StagePlan
    settings: str
    site: Site
    device: str
    threads: int


def pack_items(items: Iterable[Item]) -> tuple[str, str]:
    """Items as one string, cheap to hand to a task on this machine or another, and its digest."""
    payload = "\n".join(item.model_dump_json(exclude_defaults=True) for item in items)
    return payload, hashlib.sha256(payload.encode()).hexdigest()
