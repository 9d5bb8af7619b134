"""Plain data that travel between a run, the process that is Ray's driver, and the workers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from pydantic import TypeAdapter

from components.data.row_reader import DraftedRow
from components.run_record import StageRef
from tasks.engines.node_job import NodeJob
from tasks.engines.ray.pools import Demand

_ESCAPED: Final = b"\\"
"""Before JSON whose texts hold lone surrogates, escaped."""


class NodeStep(NamedTuple):
    """What a worker needs to know of a node of a segment.

    Attributes:
        name: of the node.
        job: computes its shards.
        reads: role -> node, or name of a data set.
        originals: node that is read -> the node whose stage is also its own.
        stages: nodes that are read, and were made in one piece.
        demand: its resources.
        folder: where the run is, in which relative paths of files begin.
    """

    name: str
    job: NodeJob
    reads: Mapping[str, str]
    originals: Mapping[str, str]
    stages: Mapping[str, StageRef]
    demand: Demand
    folder: str


@dataclass
class Row:
    """A shard of the data set on its way through the nodes of a segment.

    Attributes:
        number: its position.
        data: its key.
        keys: node -> key of the node's shard.
        alike: node -> what its shard shares with those that differ by numerics alone.
        read: node -> role -> identity of what is read; None where any stored shard of the key is taken.
        done: node -> key of the node's finished shard, and digest of its outcomes.
        failed: the nodes that do not have it.
    """

    number: int
    data: str
    keys: dict[str, str] = field(default_factory=dict)
    alike: dict[str, str | None] = field(default_factory=dict)
    read: dict[str, dict[str, str] | None] = field(default_factory=dict)
    done: dict[str, list[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def encode(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @staticmethod
    def decode(text: str) -> Row:
        """Return the row of a text."""
        return Row(**json.loads(text))


class SegmentJob(NamedTuple):
    """What is missing of a segment.

    Attributes:
        number: of the job, in its run.
        steps: the nodes that lack shards, in the order of computing.
        rows: that at least one of them lacks, as text.
    """

    number: int
    steps: Sequence[NodeStep]
    rows: Sequence[str]


class LoadJob(NamedTuple):
    """Shards of a data set that are to be opened and stored.

    Attributes:
        number: of the job, in its run.
        store: URL of the store.
        folder: where the run is, in which relative paths begin.
        shards: their rows, as the manifest has them, encoded.
    """

    number: int
    store: str
    folder: str
    shards: Sequence[bytes]


@lru_cache(maxsize=1)
def _rows_as_json() -> TypeAdapter[list[DraftedRow]]:
    return TypeAdapter(list[DraftedRow])


def encode_rows(rows: list[DraftedRow]) -> bytes:
    """Return rows as JSON, which costs a third of what pickled objects do."""
    try:
        return _rows_as_json().dump_json(rows, exclude_defaults=True)
    except ValueError:  # lone surrogates, of the name of a file
        return _ESCAPED + json.dumps(_rows_as_json().dump_python(rows)).encode()


def decode_rows(content: bytes) -> list[DraftedRow]:
    """Return the rows that were encoded."""
    if content.startswith(_ESCAPED):
        return _rows_as_json().validate_python(json.loads(content.removeprefix(_ESCAPED)))
    return _rows_as_json().validate_json(content)


Job = SegmentJob | LoadJob


class Event(NamedTuple):
    """What happened in a job.

    Attributes:
        job: its number; of ``lost``, any.
        sort: ``shard`` (it is in the store), ``failed`` (a node, or the job where ``node`` is empty),
            ``ended`` (the job), ``connected`` (the driver with its cluster), ``restart`` (another driver is
            to go on), ``lost`` (the cluster).
        node: the node.
        number: of the shard.
        header: of the shard, as JSON.
        size: items of the shard, and seconds of their audio; of the data set, 1 where it has any; None where
            another run has computed it.
        error: name of the class of an error.
        message: what it says.
    """

    job: int
    sort: Literal["shard", "failed", "ended", "connected", "restart", "lost"]
    node: str = ""
    number: int = -1
    header: str = ""
    size: tuple[float, float] | None = None
    error: str = ""
    message: str = ""


Message = tuple[Literal["run", "halt", "close"], Any]
"""What a run says to the driver: a job; that nothing new is to be begun; that there is nothing more to do."""
