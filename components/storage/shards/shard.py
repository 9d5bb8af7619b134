"""The object of a shard: a line that says what it is, then an outcome a line, in the order of its inputs.

What could not be processed is ``{"quarantined": {...}}``; every other line is the record itself.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError

from components.errors import StoreError
from components.files.canonical_json import add_digest, digest_of, verify_digest
from components.records import NodeOutcome, Quarantined, Record, Sha256
from components.run_record import CardMemory, Usage
from components.storage.shards.tallies import AUDIO_SECONDS, READ, Tallies, tally_outcomes

FOLDER = "shards"
FORMAT: Final = 1
"""Version of the format."""
R = TypeVar("R", bound=Record)
_REFUSED = b'{"quarantined":'


class DamagedError(StoreError):
    """What is stored is not what was sealed."""


class ShardEntry(NamedTuple):
    """A shard as the stages that it is part of name it.

    Attributes:
        key: its address.
        sha256: digest of its outcomes.
        ok: number of outcomes.
        quarantined: number of inputs that could not be processed.
        content: of utterances, digest of what decides results; where their audio lies is not part of it.
        alike: what it shares with shards that differ by numerics alone.
    """

    key: str
    sha256: str
    ok: int
    quarantined: int
    content: str | None = None
    alike: str | None = None

    @property
    def identity(self) -> str:
        """What stands for it in the key of a shard that reads it."""
        return self.content or self.key


class ShardHeader(Record):
    """The first line of a shard.

    Attributes:
        stage: name of the node that it was first computed for.
        kind: of that node.
        fingerprint: digest of everything that decides outcomes beside what is read.
        read: role -> identity of what it reads, and digest of its outcomes, where that is not the identity.
        sha256: digest of the lines that follow.
        seconds: wall time of computing it.
        peak_memory_bytes: peak resident memory of computing it.
        batch_size: the largest batch that memory allowed in the end; 0 where it never ran out.
        usage: what served models counted.
        card_memory: name of a card -> peak of its memory in bytes.
        tallies: counts and sums over its records.
    """

    format: Literal[1] = FORMAT
    key: Sha256
    stage: str
    kind: str = ""
    fingerprint: Sha256
    read: dict[str, tuple[str, str]] = Field(default_factory=dict)
    content: Sha256 | None = Field(default=None, exclude_if=operator.not_)
    alike: Sha256 | None = Field(default=None, exclude_if=operator.not_)
    ok: int = Field(ge=0)
    quarantined: int = Field(ge=0)
    sha256: Sha256
    seconds: float = Field(default=0.0, ge=0)
    peak_memory_bytes: int = Field(default=0, ge=0)
    batch_size: int = Field(default=0, ge=0, exclude_if=operator.not_)
    usage: Usage = Field(default_factory=dict, exclude_if=operator.not_)
    card_memory: CardMemory = Field(default_factory=dict, exclude_if=operator.not_)
    tallies: Tallies = Field(default_factory=dict, exclude_if=operator.not_)

    @property
    def entry(self) -> ShardEntry:
        """It, as stages name it."""
        return ShardEntry(self.key, self.sha256, self.ok, self.quarantined, self.content, self.alike)

    def is_made_from(self, read: Mapping[str, tuple[str, str]] | None) -> bool:
        """Return whether this is what it was computed from; True where that is not known (None)."""
        return read is None or dict(read) == self.read


def shard_key(fingerprint: str, read: Mapping[str, str]) -> Sha256:
    """Return the address of a shard.

    Args:
        fingerprint: of its node.
        read: role -> identity of what it reads.
    """
    return digest_of([fingerprint, dict(read)])


def shard_name(key: str) -> str:
    """Return the name of a shard's object in its store."""
    return f"{FOLDER}/{key[:2]}/{key}.jsonl"


def encode_outcome(outcome: NodeOutcome) -> str:
    """Return the line of an outcome."""
    line = outcome.model_dump_json(exclude_defaults=True)
    return f"{_REFUSED.decode()}{line}}}" if isinstance(outcome, Quarantined) else line


def count_refused(outcomes: Iterable[NodeOutcome]) -> int:
    """Return how many inputs could not be processed."""
    return sum(isinstance(outcome, Quarantined) for outcome in outcomes)


def encode_shard(lines: Sequence[str], **header: Any) -> tuple[ShardHeader, bytes]:
    """Return the header and the bytes of a shard.

    Args:
        lines: its outcomes.
        header: fields of :class:`ShardHeader`; counts and digest follow from the lines.
    """
    body = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    quarantined = sum(line.startswith(_REFUSED.decode()) for line in lines)
    whole = ShardHeader(
        **header,
        ok=len(lines) - quarantined,
        quarantined=quarantined,
        sha256=hashlib.sha256(body).hexdigest(),
    )
    first = json.dumps(add_digest(whole.model_dump(mode="json")), sort_keys=True, ensure_ascii=False)
    return whole, first.encode() + b"\n" + body


def encode_outcomes(
    outcomes: Sequence[NodeOutcome], *, audio_seconds: float = 0.0, **header: Any
) -> tuple[ShardHeader, bytes]:
    """Return the header, with its tallies, and the bytes of a shard of outcomes.

    Args:
        outcomes: in the order of their inputs.
        audio_seconds: of the speech that they were computed from.
        header: further fields of :class:`ShardHeader`.
    """
    tallies = tally_outcomes(outcomes)
    if audio_seconds:
        tallies.setdefault(READ, {})[AUDIO_SECONDS] = audio_seconds
    return encode_shard(list(map(encode_outcome, outcomes)), tallies=tallies, **header)


def read_sealed(record: type[R], content: bytes, where: str) -> R:
    """Return the record that bytes with their own digest hold; DamagedError where they are not as written."""
    try:
        return record.model_validate(verify_digest(content))
    except ValidationError as error:
        fault = error.errors()[0]
        raise DamagedError(f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error
    except ValueError as error:
        raise DamagedError(f"{where}: {error}") from error


def decode_header(line: bytes, where: str, key: str) -> ShardHeader:
    """Return the header that the first line of a shard holds.

    Args:
        line: the line.
        where: the shard's place, for messages.
        key: under which it was found.

    Raises:
        DamagedError: it is damaged, another's, or of another version.
    """
    header = read_sealed(ShardHeader, line, where)
    if header.key != key:
        raise DamagedError(f"{where}: expected shard {key[:12]}…, found another, {header.key[:12]}…")
    return header


def decode_shard(content: bytes, where: str, key: str) -> tuple[ShardHeader, bytes]:
    """Return the verified header of a shard and the lines that follow it.

    Args:
        content: its bytes.
        where: its place, for messages.
        key: under which it was found.

    Raises:
        DamagedError: it is damaged, another's, or of another version.
    """
    first, _, body = content.partition(b"\n")
    header = decode_header(first, where, key)
    if hashlib.sha256(body).hexdigest() != header.sha256:
        raise DamagedError(f"{where}: its outcomes are not those that were sealed; it was changed or damaged")
    return header, body


def check_shard(entry: ShardEntry, content: bytes | None, where: str) -> None:
    """Check that what is stored of a shard is what a stage was made from.

    Args:
        entry: as the stage names it.
        content: the bytes that are stored; None where there are none.
        where: its place, for messages.

    Raises:
        DamagedError: it is not.
    """
    if content is None:
        raise DamagedError(f"{where}: expected a shard of a finished stage, found none")
    if decode_shard(content, where, entry.key)[0].sha256 != entry.sha256:
        raise DamagedError(f"{where}: expected it as its stage was made from it, found it computed anew")


def split_lines(body: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yield each line without its end, and before it whether it is a record that could be processed."""
    for line in body.split(b"\n")[:-1]:
        yield not line.startswith(_REFUSED), line


def parse_refused(line: bytes) -> Quarantined:
    """Return the record of a line that says what could not be processed."""
    return Quarantined.model_validate_json(line[len(_REFUSED) : -1])


def sum_counts(entries: Iterable[ShardEntry]) -> tuple[int, int]:
    """Return how many inputs shards stand for, and how many of them could not be processed."""
    ok = quarantined = 0
    for entry in entries:
        ok, quarantined = ok + entry.ok, quarantined + entry.quarantined
    return ok + quarantined, quarantined
