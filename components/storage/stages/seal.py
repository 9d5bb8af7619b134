"""``stage.json``, which makes a stage finished: its plan, its shards in order, digests of its files."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from pydantic import Field, field_validator

from components.files.canonical_json import add_digest, digest_of
from components.files.digests import file_digest
from components.records import Record, Sha256
from components.run_record import CardMemory, StageRef, Usage
from components.storage.shards.shard import DamagedError, ShardEntry, read_sealed
from components.storage.shards.tallies import Tallies
from components.storage.stages.stage_plan import digest_plan

SEAL = "stage.json"
FORMAT: Final = 3
"""Version of the format."""


class Seal(Record):
    """The content of ``stage.json``.

    Attributes:
        plan: everything that decides what the stage holds.
        files: digests of its files, for what is made in one piece.
        shards: of its records, in order.
        sha256: digest of both.
        read: role -> digest of the stage read.
        tallies: counts and sums over its records.
    """

    format: Literal[3] = FORMAT
    stage: str
    kind: str = ""
    key: Sha256
    plan: dict[str, Any]
    files: dict[str, Sha256] = Field(default_factory=dict)
    shards: tuple[ShardEntry, ...] = ()
    sha256: Sha256
    content: Sha256 | None = None
    read: dict[str, Sha256] = Field(default_factory=dict)
    items: int = Field(ge=0)
    quarantined: int = Field(ge=0)
    seconds: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0)
    batch_size: int = Field(default=0, ge=0, exclude_if=operator.not_)
    usage: Usage = Field(default_factory=dict, exclude_if=operator.not_)
    card_memory: CardMemory = Field(default_factory=dict, exclude_if=operator.not_)
    tallies: Tallies = Field(default_factory=dict, exclude_if=operator.not_)
    finished: str = Field(description="ISO 8601, UTC")

    @field_validator("files")
    @classmethod
    def _check_names(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            path = PurePosixPath(name)
            if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
                raise ValueError(f"expected names of files inside the stage, found {name!r}")
        return files

    def encode(self) -> bytes:
        """Return the bytes of ``stage.json``."""
        values = add_digest(self.model_dump(mode="json"))
        return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_seal(content: bytes, where: str, key: str) -> Seal:
    """Read and check the bytes of a ``stage.json``.

    Args:
        content: the bytes.
        where: the file, for messages.
        key: the key that the stage's folder is named after.

    Raises:
        DamagedError: it is damaged, another stage's, or of another version.
    """
    seal = read_sealed(Seal, content, where)
    if digest_contents(seal.files, seal.shards) != seal.sha256 or digest_plan(seal.plan) != key:
        raise DamagedError(f"{where}: expected the seal of {key[:12]}…, found another's, of {seal.key[:12]}…")
    stated = seal.plan.get("shards")
    if stated is not None and stated != digest_of([shard.key for shard in seal.shards]):
        raise DamagedError(f"{where}: expected the shards that its plan states, found others")
    return seal


def digest_contents(files: Mapping[str, str], shards: Iterable[ShardEntry]) -> Sha256:
    """Return the digest of all that a stage holds, from the digests of its files and shards."""
    return digest_of([dict(files), [shard.sha256 for shard in shards]])


def verify_files(folder: Path, seal: Seal, where: str | None = None) -> None:
    """Check every file in the folder of a stage against its seal.

    Args:
        folder: the stage's.
        seal: what its files must match.
        where: what the folder is a copy of, for the message.

    Raises:
        DamagedError: names the first file that differs.
    """
    for name, expected in seal.files.items():
        try:
            actual = file_digest(folder / name)
        except OSError as error:
            raise DamagedError(
                f"{where or folder}/{name}: expected a file, found: {error.strerror}"
            ) from error
        if actual != expected:
            raise DamagedError(
                f"{where or folder}/{name}: expected sha256 {expected[:12]}…, as {SEAL} says, found "
                f"{actual[:12]}…; it was changed or damaged"
            )


def stage_ref(seal: Seal, folder: Path, *, reused: bool) -> StageRef:
    """Return the reference to a finished stage, from its seal."""
    values = {name: getattr(seal, name) for name in StageRef.model_fields if name in Seal.model_fields}
    return StageRef.model_validate({**values, "path": str(folder), "reused": reused})
