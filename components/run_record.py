"""What a run leaves in the store: references of its finished stages, its scores, and its record."""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from components.records import Identifier, Record, Sha256

RUN_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?"
"""Pattern of the names of runs: of a folder and of nothing else."""
RunName = Annotated[str, Field(pattern=f"^{RUN_NAME}$")]

Usage = dict[str, dict[str, float]]
"""Reference of a served model -> what it counted."""
CardMemory = dict[str, int]
"""Name of a card -> bytes."""


class StageRef(Record):
    """A finished stage of the store.

    Attributes:
        stage: name of the node in its run.
        kind: what the node does.
        key: address of the stage in the store.
        path: its folder.
        items: how many inputs or items it stands for.
        quarantined: how many of these could not be processed.
        sha256: digest of its files.
        content: for utterances, digest of what decides results; where their audio lies is not part of it.
        seconds: wall time of computing it.
        peak_memory_bytes: peak resident memory of computing it.
        batch_size: the largest batch that memory allowed in the end; 0 where it never ran out.
        usage: what served models counted of its requests, by their references.
        card_memory: name of a card that computed it -> peak of its memory in bytes, resident models included.
        reused: whether this run found it computed.
    """

    stage: str
    kind: str = ""
    key: str
    path: str
    items: int = Field(ge=0)
    quarantined: int = Field(ge=0)
    sha256: Sha256
    content: Sha256 | None = None
    seconds: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0)
    batch_size: int = Field(default=0, ge=0, exclude_if=operator.not_)
    usage: Usage = Field(default_factory=dict, exclude_if=operator.not_)
    card_memory: CardMemory = Field(default_factory=dict, exclude_if=operator.not_)
    reused: bool


class Score(Record):
    """A reported number with its protocol. ``interval`` is the 95% bootstrap interval."""

    name: str
    value: float
    higher_is_better: bool
    interval: tuple[float, float] | None = None
    n: int = Field(ge=0, description="utterances scored")
    n_total: int = Field(ge=0, description="utterances in the data set")
    signature: str


class NodeRecord(Record):
    """A node of a pipeline as a run records it: what it does, what it reads, and its status."""

    name: str
    kind: str
    output: Literal["data", "speech", "text", "model", "table"]
    whole: bool = Field(default=False, description="made whole, not utterance by utterance")
    scored: bool = Field(default=True, description="its texts are scored wherever there are references")
    reads: dict[str, str] = Field(default_factory=dict, description="role -> node; 'data' is the data set")
    when: str | None = Field(default=None, description="NODE.BRANCH: computes only what was sent that way")
    language: str | None = Field(default=None, description="source, target or a code; of texts and speech")
    models: dict[str, str] = Field(default_factory=dict, description="role -> reference")
    settings: dict[str, object] = Field(default_factory=dict, description="what was set on it")
    status: Literal["planned", "computed", "reused", "skipped", "failed", "blocked"] = "planned"

    @property
    def inputs(self) -> list[str]:
        """The nodes whose outputs are its inputs, in order; the data set may be among them."""
        return [name for role, name in self.reads.items() if role.startswith("of") and role[2:].isdigit()]

    @property
    def is_per_utterance(self) -> bool:
        """Whether it gives text, speech or a way for each utterance."""
        return self.output in ("text", "speech") or (self.output == "table" and not self.whole)

    @property
    def transcribes(self) -> bool:
        """Whether its texts are in the spoken language, not in one that was translated into."""
        return self.output == "text" and self.language == "source"


class PipelineRecord(Record):
    """The graph of a run. ``outputs`` names the nodes whose texts are scored, by role."""

    nodes: tuple[NodeRecord, ...] = ()
    outputs: dict[Literal["transcript", "translation"], str] = Field(default_factory=dict)

    def node(self, name: str) -> NodeRecord | None:
        """Return the node of that name; None for the data set and for unknown names."""
        return next((node for node in self.nodes if node.name == name), None)

    def of_data(self) -> list[NodeRecord]:
        """Return the nodes that give something for each utterance of the run's own data set, in order."""
        return [node for node in self.nodes if node.is_per_utterance and self._data_of(node) is None]

    def needed_for_outputs(self) -> list[NodeRecord]:
        """Return those of :meth:`of_data` that the scored outputs come from; all if none is scored."""
        pending, needed = list(self.outputs.values()), set[str]()
        while pending:
            node = self.node(pending.pop())
            if node is not None and node.name not in needed:
                needed.add(node.name)
                pending += [*node.reads.values(), (node.when or "").partition(".")[0]]
        return [node for node in self.of_data() if node.name in needed or not needed]

    def _data_of(self, node: NodeRecord) -> NodeRecord | None:
        """Return the further data set that a node computes; None if it is the run's own."""
        above: NodeRecord | None = node
        while above is not None and above.output != "data":
            above = self.node(above.inputs[0]) if above.inputs else None
        return above


def _check_time(value: str) -> str:
    datetime.fromisoformat(value).astimezone(UTC)
    return value


Time = Annotated[str, AfterValidator(_check_time)]


class RunRecord(Record):
    """``run.json``: everything needed to read a run again, or to repeat it."""

    name: Identifier
    flow: str
    status: Literal["completed", "completed with quarantine", "failed", "cancelled", "suspended", "paused"]
    parameters: dict[str, object]
    stages: tuple[StageRef, ...]
    pipeline: PipelineRecord = PipelineRecord()
    systems: dict[str, RunName] = Field(
        default_factory=dict, description="of a comparison: system -> the name of its run"
    )
    metrics: dict[str, Score]
    started: Time = Field(description="ISO 8601, UTC")
    finished: Time
    versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seen_data: tuple[str, ...] = Field((), description="where nodes learned from what is scored here")

    @property
    def scores(self) -> tuple[Score, ...]:
        """The run's scores, those of the outputs first, then node by node."""
        prefixes = [f"{node.name}_" for node in self.pipeline.nodes]

        def rank(name: str) -> int:
            return next((n for n, prefix in enumerate(prefixes) if name.startswith(prefix)), -1)

        return tuple(self.metrics[name] for name in sorted(self.metrics, key=rank))

    @property
    def completed(self) -> bool:
        """Whether it came to its end, though records may have been quarantined."""
        return self.status in {"completed", "completed with quarantine"}
