"""What a stage is made of, and the key that follows from it.

Two runs whose stage has the same plan share the stage; any difference that could change a byte of its
outputs (a beam size, a weight file, a library version) gives another key.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from typing import Any

from pydantic import Field

from components.canonical import digest
from components.records import Checkpoint, Record, Sha256, StageRef


@lru_cache(maxsize=64)
def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution, ``absent`` where it is not installed."""
    return {name: _version(name) for name in names}


class StagePlan(Record):
    """Everything that decides the outputs of a stage. ``key`` is the sha256 of all of it.

    ``version`` names the code that computes (``recognition/3``); ``upstream`` maps the name of each
    stage that is read to its key and the digest of its outputs; ``inputs`` holds digests of anything
    else that is read; ``weights`` those of every model and tokenizer.
    """

    stage: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")
    version: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    shard_size: int = Field(default=0, ge=0, description="items per shard; batches decide the last bits")
    libraries: dict[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> Sha256:
        """Address of the stage in the store."""
        return digest(self.model_dump(mode="json"))


def read_by(*refs: StageRef) -> dict[str, str]:
    """``upstream`` of a stage that reads ``refs``: their keys and the digests of what they hold."""
    return {ref.stage: f"{ref.key}:{ref.sha256}" for ref in refs}


def weights_of(**checkpoints: Checkpoint) -> dict[str, str]:
    """``weights`` of a stage: the digests of each model's files and of its tokenizer."""
    found: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        found[name] = checkpoint.sha256
        if checkpoint.tokenizer_sha256 is not None:
            found[f"{name}.tokenizer"] = checkpoint.tokenizer_sha256
    return found
