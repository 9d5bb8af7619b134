"""Plain data that travel to a process that computes a shard, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from components.nodes.node_context import Item, NodeContext
from components.run_record import CardMemory, Usage
from components.storage.stages.stage_plan import StagePlan


class ShardResult(NamedTuple):
    """The result of one shard: the JSON lines that are stored, and its cost.

    Attributes:
        outputs: of items that could be processed.
        errors: of the others.
        seconds: wall time.
        peak_memory_bytes: peak resident memory.
        batch_size: the batch that memory allowed in the end; 0 where it never ran out.
        usage: what served models counted; None where none was asked.
        card_memory: peak of a card's memory; None where none was computed on.
    """

    outputs: list[str]
    errors: list[str]
    seconds: float
    peak_memory_bytes: int
    batch_size: int = 0
    usage: Usage | None = None
    card_memory: CardMemory | None = None

    @property
    def noted(self) -> dict[str, Any]:
        """What the journal says of the shard beside its files, where there is something to say."""
        noted = {"batch_size": self.batch_size, "usage": self.usage, "card_memory": self.card_memory}
        return {name: value for name, value in noted.items() if value}


class ShardJob(NamedTuple):
    """What a process needs to know of a node to compute its shards; plain data, so that it can be sent."""

    plan: StagePlan
    settings: str
    context: NodeContext
    device: str
    threads: int


_AUDIO_PATH = {"utterance": {"audio": {"path"}}}


def pack_items(items: Sequence[Item]) -> tuple[str, str]:
    """Pack items into one string, cheap to send to another machine; also return a digest of them.

    Where their audio lies is no part of the digest: before an interrupted stage goes on, its data may have
    been moved, or its store copied.
    """
    payload = "\n".join(item.model_dump_json(exclude_defaults=True) for item in items)
    content = "\n".join(item.model_dump_json(exclude_defaults=True, exclude=_AUDIO_PATH) for item in items)
    return payload, hashlib.sha256(content.encode()).hexdigest()
