"""What a stage is made of, and the key that follows from it.

Two runs whose stage has the same plan share the stage; any difference that could change a byte of its
outputs (a beam size, a weight file, a library version) gives another key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from typing import Any

from pydantic import Field

from components.canonical_json import digest_of
from components.machine import describe_numerics
from components.records import Record, Sha256, StageRef

DEPENDENCIES = {
    "transformers": ("tokenizers",),
    "openai-whisper": ("tiktoken",),
    "faster-whisper": ("ctranslate2",),
}
"""Distributions that decide the outputs of a named one."""


@lru_cache(maxsize=64)
def _installed_version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution and of what is beneath it, ``absent`` where it is missing."""
    return {each: _installed_version(each) for name in names for each in (name, *DEPENDENCIES.get(name, ()))}


def _default_numerics(plan: Mapping[str, Any]) -> dict[str, str]:
    """Of a stage that computes with torch; its parameters may set the number of threads themselves."""
    if "torch" not in plan["libraries"]:
        return {}
    parameters = plan["parameters"]
    return describe_numerics(str(parameters.get("device", "cpu")), threads="threads" not in parameters)


class StagePlan(Record):
    """Everything that decides the outputs of a stage. ``key`` is the sha256 of all of it.

    ``stage`` is its name in a run. Of a node of a pipeline, which has a ``kind``, it is no part of the key:
    two pipelines may call it differently.

    ``version`` names the code that computes (``recognition/3``); ``upstream`` maps the name of each
    stage that is read to its key and the digest of its outputs; ``inputs`` holds digests of anything
    else that is read; ``weights`` those of every model and tokenizer, by role; ``numerics`` is what of this
    machine and process decides the last bits. ``models`` are the references by which the run names its
    models, by role: they are shown, and no part of the key, since a model may have several names.
    """

    stage: str = Field(min_length=1, max_length=128, pattern=r"^[a-z][a-z0-9_-]*$")
    kind: str = ""
    version: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    shard_size: int = Field(default=0, ge=0, description="items per shard; batches decide the last bits")
    libraries: dict[str, str] = Field(default_factory=dict)
    numerics: dict[str, str] = Field(default_factory=_default_numerics)
    models: dict[str, str] = Field(default_factory=dict)

    @property
    def key(self) -> Sha256:
        """Address of the stage in the store."""
        unkeyed = {"models", "stage"} if self.kind else {"models"}
        return digest_of(self.model_dump(mode="json", exclude=unkeyed))


def content_of(ref: StageRef) -> str:
    """What a stage holds, as it stands in the key of one that reads it: its key and its files' digest.

    Of utterances it is the digest of what decides results, wherever their audio lies.
    """
    return ref.content or f"{ref.key}:{ref.sha256}"


def upstream_of(*refs: StageRef) -> dict[str, str]:
    """``upstream`` of a stage that reads ``refs``."""
    return {ref.stage: content_of(ref) for ref in refs}
