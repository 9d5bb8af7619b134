"""The plan of a stage: everything that decides its outputs, and the key computed from it.

Two runs whose stage has the same plan share the stage; any difference that could change a byte of its
outputs (a beam size, a weight file, a library version) gives another key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from typing import Any

from pydantic import Field

from components.compute.machine import describe_numerics
from components.files.canonical_json import digest_of
from components.records import Record, Sha256
from components.run_record import StageRef

DEPENDENCIES = {
    "transformers": ("tokenizers",),
    "openai-whisper": ("tiktoken",),
    "faster-whisper": ("ctranslate2",),
}
"""Distribution -> the others below it that decide its outputs."""


@lru_cache(maxsize=64)
def _version_of(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each distribution and of its deciding dependencies, or ``absent``."""
    return {
        distribution: _version_of(distribution)
        for name in names
        for distribution in (name, *DEPENDENCIES.get(name, ()))
    }


def _default_numerics(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the default ``numerics`` of a plan: those of this machine for a stage that computes with torch.

    Its parameters may set the number of threads themselves.
    """
    if "torch" not in plan["libraries"]:
        return {}
    parameters = plan["parameters"]
    return describe_numerics(str(parameters.get("device", "cpu")), threads="threads" not in parameters)


class StagePlan(Record):
    """Everything that decides the outputs of a stage. ``key`` is the SHA-256 of all of it.

    Attributes:
        stage: its name in a run. For a node of a pipeline, which has a ``kind``, it is not part of the key:
            two pipelines may name the node differently.
        kind: the kind of node; "" for a stage that is none.
        version: the version of the code that computes, such as ``recognition/3``.
        parameters: settings that decide the outputs.
        upstream: for each stage that is read whole, its role -> its key and the digest of its outputs. What
            is read shard by shard stands in the keys of the shards.
        inputs: digests of anything else that is read, by role.
        weights: digests of every model and tokenizer, by role.
        seed: of the random numbers.
        shards: digest of the keys of its shards, in order; None of what is made in one piece.
        libraries: versions of distributions.
        numerics: what of this machine and process decides the last bits.
        models: the references by which the run names its models, by role. They are shown, and not part of the
            key: a model may have several names.
        alike: what it shares with stages that differ by numerics alone
            (:mod:`components.pipeline.reuse.equivalent_reuse`); no part of the key.
    """

    stage: str = Field(min_length=1, max_length=128, pattern=r"^[a-z][a-z0-9_-]*$")
    kind: str = ""
    version: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    shards: Sha256 | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    numerics: dict[str, str] = Field(default_factory=_default_numerics)
    models: dict[str, str] = Field(default_factory=dict)
    alike: Sha256 | None = None

    @property
    def key(self) -> Sha256:
        """The address of the stage in the store."""
        return digest_plan(self.model_dump(mode="json"))

    @property
    def fingerprint(self) -> Sha256:
        """The digest of everything that decides the outcomes of its shards, beside what they read."""
        return digest_plan(self.model_dump(mode="json", exclude={"shards"}))

    def with_shards(self, keys: Iterable[str]) -> StagePlan:
        """Return the plan of a stage of records, whose shards have these keys."""
        return self.model_copy(update={"shards": digest_of(list(keys))})


def digest_plan(values: Mapping[str, Any]) -> Sha256:
    """Return the key of a plan from its fields, or the fingerprint of one without those of its shards."""
    unkeyed = {"models", "alike", "stage"} if values.get("kind") else {"models", "alike"}
    return digest_of({name: value for name, value in values.items() if name not in unkeyed})


def content_of(ref: StageRef) -> str:
    """Return what stands for a stage in the key of one that reads it: its key and its files' digest.

    For utterances it is the digest of what decides results, wherever their audio lies.
    """
    return ref.content or f"{ref.key}:{ref.sha256}"


def upstream_of(*refs: StageRef) -> dict[str, str]:
    """Return the ``upstream`` of the plan of a stage that reads ``refs``."""
    return {ref.stage: content_of(ref) for ref in refs}
