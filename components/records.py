"""Frozen records that cross every boundary: between rooms, and into the store and out of it.

Text travels as records and weights as a :class:`Checkpoint`; tensors never leave ``components/``.
Records refuse unknown fields, NaN and infinity, so that what is read back is what was written.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _to_nfc(value: object) -> object:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_to_nfc)]
"""Unicode text in normal form C."""

Identifier = Annotated[str, BeforeValidator(_to_nfc), Field(min_length=1, max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Base of every record: immutable, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Audio(Record):
    """A stretch of a local audio file.

    Attributes:
        path: of the file; a relative one is relative to the stage that holds the record.
        sha256: of the file.
        seconds: length of the stretch.
        sample_rate: of the file in Hz, before resampling.
        offset: seconds into the file at which the stretch begins.
    """

    path: str
    sha256: Sha256
    seconds: float = Field(gt=0)
    sample_rate: int = Field(gt=0, description="rate of the file in Hz, before resampling")
    offset: float = Field(default=0.0, ge=0)


class Utterance(Record):
    """One item of a data set: speech or text, and what is known about it.

    Attributes:
        id: unique in the data set.
        audio: the speech.
        text: the source text to translate.
        source_language: code of the language that is spoken or written.
        target_language: code of the language of ``references``, or to translate into.
        transcript: reference transcript of ``audio``.
        references: reference translations.
        domain: a label of the user's.
    """

    id: Identifier
    audio: Audio | None = None
    text: Text | None = None
    source_language: str = Field(min_length=2, max_length=16)
    target_language: str | None = None
    transcript: Text | None = None
    references: tuple[Text, ...] = ()
    domain: str | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Utterance:
        if self.audio is None and self.text is None:
            raise ValueError("expected audio or text, found neither")
        return self


class Token(Record):
    """One decoded token.

    Attributes:
        piece: its text in the vocabulary.
        log_prob: its log-probability in nats.
        members: for an ensemble, the log-probability by member; members that were not run are left out.
        weights: for an ensemble, the weight of each member at this token.
    """

    piece: str
    log_prob: float
    members: dict[str, float] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)


class Segment(Record):
    """A stretch of a transcript with its times in seconds from the start of the utterance."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    text: Text


class Decision(Record):
    """The outcome of one round for an utterance: whether its proposal was accepted, whether it stopped."""

    round: int = Field(ge=0, description="1 is the first round after the draft")
    accepted: bool
    stopped: str | None = Field(default=None, description="the stop rule that ended the utterance's rounds")
    feedback: str = Field(default="", description="the critic's words about the text before")


class Hypothesis(Record):
    """One candidate output.

    Attributes:
        text: the output.
        score: sum of its tokens' log-probabilities in nats.
        n_tokens: how many tokens it has.
        system: what made it.
        features: further numbers by name.
        tokens: its tokens, where they are kept.
        segments: stretches with times, of a transcript.
        decision: that of the round that gave the text, where there are rounds.
    """

    text: Text
    score: float
    n_tokens: int = Field(ge=0)
    system: str
    features: dict[str, float] = Field(default_factory=dict)
    tokens: tuple[Token, ...] = ()
    segments: tuple[Segment, ...] = ()
    decision: Decision | None = None


class NBest(Record):
    """Hypotheses of one utterance, best first, never empty."""

    utterance_id: Identifier
    hypotheses: tuple[Hypothesis, ...] = Field(min_length=1)
    language: str | None = Field(default=None, description="detected or declared source language")

    @property
    def best(self) -> Hypothesis:
        """The first hypothesis."""
        return self.hypotheses[0]


class Quarantined(Record):
    """An utterance that a stage could not process, and why, in one line."""

    utterance_id: Identifier
    stage: str
    reason: str = Field(description="short class of the fault, e.g. 'unreadable audio'")
    detail: str = Field(description="what was expected, what was found, what to do")


class Route(Record):
    """The way that an utterance goes, and the number that decided it, if one did."""

    utterance_id: Identifier
    way: str = Field(min_length=1, max_length=64)
    value: float | None = None


Outcome = NBest | Quarantined
"""What a component returns for one utterance."""

NodeOutcome = NBest | Route | Utterance | Quarantined
"""What a node of a pipeline returns for one utterance: text, a way, speech, or why it could not."""


class Checkpoint(Record):
    """Verified local weights.

    Attributes:
        reference: how the user named the model.
        path: of the folder or file.
        sha256: digest of the weights.
        architecture: what the model is.
        tokenizer_sha256: digest of the tokenizer's files.
        lineage: references of the models that it was made from.
    """

    reference: str
    path: str
    sha256: Sha256
    architecture: str
    tokenizer_sha256: Sha256 | None = None
    lineage: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str | None]:
        """Digests that distinguish two models, whatever their names and locations."""
        return self.sha256, self.tokenizer_sha256


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
    gives: Literal["data", "speech", "text", "model", "table"]
    whole: bool = Field(default=False, description="made whole, not utterance by utterance")
    reads: dict[str, str] = Field(default_factory=dict, description="role -> node; 'data' is the data set")
    when: str | None = Field(default=None, description="NODE.WAY: computes only what was sent that way")
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
        return self.gives in ("text", "speech") or (self.gives == "table" and not self.whole)

    @property
    def transcribes(self) -> bool:
        """Whether its texts are in the spoken language, not in one that was translated into."""
        return self.gives == "text" and self.language == "source"


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

    def _data_of(self, node: NodeRecord) -> NodeRecord | None:
        """Return the further data set that a node computes; None if it is the run's own."""
        above: NodeRecord | None = node
        while above is not None and above.gives != "data":
            above = self.node(above.inputs[0]) if above.inputs else None
        return above


class RunRecord(Record):
    """``run.json``: everything needed to read a run again, or to repeat it."""

    name: Identifier
    flow: str
    status: Literal["completed", "completed with quarantine", "failed", "cancelled", "suspended"]
    parameters: dict[str, object]
    stages: tuple[StageRef, ...]
    pipeline: PipelineRecord = PipelineRecord()
    systems: dict[str, str] = Field(
        default_factory=dict, description="of a comparison: system -> the name of its run"
    )
    metrics: dict[str, Score]
    started: str = Field(description="ISO 8601, UTC")
    finished: str
    versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
