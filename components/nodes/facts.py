"""What a kind says of its nodes: how they are computed, what their items are, and facts of their settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from types import MappingProxyType
from typing import Any

from components.nodes.node_context import DataType
from components.records import NBest

POOLS = "pools"
"""The kind of the analysis of what nodes choose from."""


class Mode(Enum):
    """How a node's stage is computed, and by which method of its kind."""

    PER_ITEM = "per item"
    """Shard by shard, beside what it reads; ``build``."""
    ROUND = "round"
    """Shard by shard, once all that it reads is finished; an utterance that has stopped passes; ``build``."""
    WHOLE = "whole"
    """In one piece, from the finished stages that it reads; ``make``."""
    AGGREGATE = "aggregate"
    """In one piece, from items; ``collect``."""
    BY_HAND = "by hand"
    """As AGGREGATE, by asking a person, which needs somebody who watches the run."""

    @property
    def is_whole(self) -> bool:
        """Whether the stage is one piece."""
        return self not in (Mode.PER_ITEM, Mode.ROUND)

    @property
    def reads_items(self) -> bool:
        """Whether it computes from items, which are of one data set."""
        return self is not Mode.WHOLE

    @property
    def method(self) -> str:
        """The method of the kind that computes."""
        return "make" if self is Mode.WHOLE else "collect" if self.is_whole else "build"


class Carry(Enum):
    """What an item holds of what its node reads."""

    TEXT = "text"
    """The best text of the first input that has one."""
    INPUTS = "inputs"
    """That, and the outcomes of all inputs."""
    SOURCE = "source"
    """The outcomes of all inputs, and in place of the first one's text that which it was translated from."""


class Need(Enum):
    """Of which inputs an item must have an outcome; a text that recognizers have passed counts as one."""

    ALL = "all"
    """Of all."""
    UNLESS_PASSED = "unless passed"
    """Of all; a text that an input has passed on unchanged passes this node, too."""
    ANY = "any"
    """Of one at least; a text that all have passed on unchanged passes this node, too."""


class Language(Enum):
    """The language of a node's texts."""

    READ = "read"
    """That of what it reads."""
    SAME = "same"
    """That of what it reads, which must be one."""
    OF_FIRST = "of the first"
    """That of its first input, whose text it gives again, whatever else it reads."""
    WRITTEN = "written"
    """``to``, else the data's target language: it translates."""
    MAY_BE_WRITTEN = "may be written"
    """``to`` where its node says so, else that of what it reads."""


@dataclass(frozen=True)
class Items:
    """What the items of a node are."""

    carry: Carry = Carry.TEXT
    need: Need = Need.ALL


@dataclass(frozen=True)
class Facts:
    """What of a node its kind and settings decide, without anything else being looked at.

    Attributes:
        version: of the code that decides the outputs; it changes when they do.
        libraries: distributions whose versions decide the outputs.
        output: the sort of its output.
        models: references of its models, by role; ``node:NAME`` is made by another node.
        tables: nodes whose tables it reads, by role.
        files: paths of files that decide the outputs, by role; their digests are in the plan.
        stage: key of a finished stage that is used instead of computing.
        seed: of its random numbers, where it is not the run's.
        device: on which it computes (auto, cpu, cuda:0, ...); None for a lane of its own.
        architecture: of the model that it makes, where that is not the one of the first that it starts from.
        checkpoints: of a training, how many of its last checkpoints are kept as models of their own.
        reads_source: whether its items have the source of the first input's text.
        weights: of its inputs, in their order; one of weight 0 is not run. Empty where all count.
        branches: that it sends utterances, for ``when: NODE.BRANCH``.
        numbers: of its first input that it decides by; one that cannot be there is refused.
        thresholds: setting -> a number and what it is compared with; one that it cannot reach is refused.
        utterance_ids: gives the ids of utterances that its settings name; one that the data lack is refused.
        fewest_utterances: that it learns from at least, with one input and with more; with fewer nothing is
            computed.
        needs_speech: whether a data set without any speech is refused where no node gives it some.
        estimators: fitted estimators whose estimates its texts have: ``node:NAME`` or finished ones.
        needs_unseen: whether estimates that it reads must come from estimators that have not seen its data.
        features: that its hypotheses may have beside those of its inputs; ``share:`` stands for all names
            that begin so. None where they are not known before it runs.
        list_length: hypotheses of its lists at most, where it searches or draws several.
        candidates: gives the different texts that it chooses from, of the lists that it reads; their oracles
            are scored beside it.
        analyses: kinds of analyses (``antiphon.analyses``) that a run of it gets once it is scored.
        has_tokens: whether its texts may have tokens with probabilities.
        is_scored: whether its texts are scored wherever there are references.
        remarks: the input whose texts are remarks on another and are not scored; None where all are texts.
        costs: whether its seconds are what the system costs; of texts that came from elsewhere they are not.
        may_drop: whether it may give None for an item, which drops the utterance.
        keeps_spoken: whether it gives speech unchanged; where all data are spoken, the node is left out.
        description: what ``antiphon plan`` says of its settings beside its name, in a few words.
    """

    version: str
    libraries: tuple[str, ...] = ()
    output: DataType = "text"
    models: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    seed: int | None = None
    device: str | None = "cpu"
    architecture: str = ""
    checkpoints: int = 0
    reads_source: bool = False
    weights: tuple[float, ...] = ()
    branches: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    thresholds: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    utterance_ids: Callable[[], Collection[str]] = tuple
    fewest_utterances: tuple[int, int] = (0, 0)
    needs_speech: bool = False
    estimators: tuple[str, ...] = ()
    needs_unseen: bool = False
    features: Collection[str] | None = None
    list_length: int = 1
    candidates: Callable[[Sequence[NBest]], list[str]] | None = None
    analyses: tuple[str, ...] = ()
    has_tokens: bool = True
    is_scored: bool = True
    remarks: int | None = None
    costs: bool = True
    may_drop: bool = False
    keeps_spoken: bool = False
    description: str = ""

    @property
    def all_analyses(self) -> tuple[str, ...]:
        """The analyses that a run of it gets; what chooses, or gives lists, has its oracles scored."""
        has_pools = self.candidates is not None or self.list_length > 1
        return (*self.analyses, *((POOLS,) if has_pools else ()))


def state(**facts: Any) -> Mapping[str, Any]:
    """Return facts that are the same whatever a kind's settings; TypeError for a name that is none."""
    if unknown := facts.keys() - {field.name for field in fields(Facts)}:
        raise TypeError(f"expected fields of Facts, found {', '.join(sorted(unknown))}")
    return MappingProxyType(facts)
