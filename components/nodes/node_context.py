"""What a node is given: one item an utterance, and the context in which it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from components.errors import ConfigError
from components.nodes.questions import Answers, Ask, Question
from components.records import NBest, NodeOutcome, Quarantined, Record, Route, Segment, Utterance
from components.run_record import StageRef
from components.stage_settings import Settings
from components.storage.store import Store

DataType = Literal["data", "speech", "text", "model", "table"]
"""What travels along an edge; ``data`` are utterances of a data set, with speech or text."""
LanguagePairs = frozenset[tuple[str, str | None]]
"""Pairs of source and target language among the utterances of a node."""


class ExtraData(NamedTuple):
    """A data set beside that of the pipeline, and what a node reads over it.

    Attributes:
        source: the data set.
        limit: the first so many utterances of it; None for all.
        nodes: nodes of the file, of which there will be copies that read this data set.
        suffix: of the names of the copies.
        skipped: nodes of the file that are not copied: the copies read the data set in their place.
        changes: of the copies of these nodes, what they have otherwise where their kind has such a setting.
    """

    source: str
    limit: int | None
    nodes: tuple[str, ...]
    suffix: Literal["train", "dev"]
    skipped: tuple[str, ...] = ()
    changes: Mapping[str, Mapping[str, Any]] = {}


class NodeSettings(Settings):
    """Base of the settings of a kind."""


class Item(Record):
    """The input of a node for one utterance.

    Attributes:
        utterance: its ``text`` is the text that the node reads, in ``source_language`` (for kinds that
            carry the SOURCE: that of that text); ``target_language`` is the language to write.
        segments: stretches of that text with their times, where the node that gave it knows them.
        inputs: for kinds that carry INPUTS or SOURCE, the outcomes of the nodes of ``of``, by
            name and in their order.
    """

    utterance: Utterance
    segments: tuple[Segment, ...] = ()
    inputs: dict[str, NBest | Route | Quarantined] = Field(default_factory=dict)

    @property
    def nbest(self) -> NBest | None:
        """The first of the inputs that is text."""
        return next((outcome for outcome in self.inputs.values() if isinstance(outcome, NBest)), None)


Component = Callable[[Sequence[Item]], Sequence[NodeOutcome | None]]
"""A batch of items -> an outcome each, in order. None (kinds that may drop only) drops the utterance."""


def _ignore_progress(percent: float) -> None:
    """Ignore the progress of a node that nobody watches."""


def _skip_verification() -> None:
    """Skip the verification of a node that has no plan."""


def _refuse_to_ask(node: str, questions: Sequence[Question], hours: float) -> Answers:
    """Refuse to ask where there is nobody."""
    raise ConfigError(f"{node}: expected somebody to ask, found none")


@dataclass(frozen=True)
class NodeContext:
    """Where a node computes: everything besides its settings that it learns from the process.

    Attributes:
        name: of the node, for messages.
        store: URL of the store, for ``store:KEY`` models.
        seed: of the run.
        of: the names of the nodes that it reads, in their order.
        types: what each of them gives.
        display_names: what the file calls them.
        to: the language that it writes, if it translates and one was set.
        translates: whether it writes another language than it reads.
        translated: whether texts that it reads were translated, or it translates them.
        tables: finished tables and models that it reads, by role; see :meth:`table_folder`.
        languages: source and target language of the data set, where they were set.
        transcripts: whether it reads texts in the language of the data.
        has_tokens: whether the first text that it reads may have tokens with probabilities.
        costs: of an AGGREGATE node: input -> the nodes that it needs -> their seconds of computing.
        progress: shows how far a node in one piece is, in percent; raises where the run is to stop.
        verify: raises StoreError where what such a node reads is no longer what its plan was made from.
        ask: asks a person for a node BY_HAND.
    """

    name: str
    store: str | None = None
    seed: int = 0
    of: tuple[str, ...] = ()
    types: tuple[DataType, ...] = ()
    display_names: tuple[str, ...] = ()
    to: str | None = None
    translates: bool = False
    translated: bool = False
    tables: Mapping[str, StageRef] = field(default_factory=dict)
    languages: tuple[str | None, str | None] = (None, None)
    transcripts: bool = False
    has_tokens: bool = True
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    progress: Callable[[float], None] = _ignore_progress
    verify: Callable[[], None] = _skip_verification
    ask: Ask = _refuse_to_ask

    def table_folder(self, role: str) -> Path:
        """Return the folder of a finished table that it reads, verified."""
        return Path(Store(self.store).localize(self.tables[role]).path)
