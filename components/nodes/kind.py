"""What every kind of node says about itself: the one interface behind the table ``KINDS``.

A kind is one short file: its settings (a pydantic model, importable without torch), the sorts that it reads
and gives, what of it decides its outputs, and how to build the component that maps a batch of items to
outcomes. The reader, the plan, the executor and the report know nothing else of it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from components.records import NBest, NodeOutcome, Quarantined, Record, Route, StageRef, Utterance
from components.storage.stage_plan import StagePlan
from components.storage.store import Store
from components.storage.whole_stage import Product

Sort = Literal["data", "speech", "text", "model", "table"]
"""What travels along an edge; ``data`` are utterances as they were given, spoken or written."""
LanguagePairs = frozenset[tuple[str, str | None]]
"""Source and target languages that a node meets."""


class NodeSettings(BaseModel):
    """Base of the settings of a kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(Record):
    """What a node gets of one utterance.

    ``utterance`` holds the text that the node reads and its language (for kinds that ``look_back``: the
    source of that text), and the language that the node shall write as ``target_language``. ``inputs`` holds
    what the nodes of ``of`` gave, by name and in their order, for kinds with ``needs_inputs``.
    """

    utterance: Utterance
    inputs: dict[str, NBest | Route | Quarantined] = Field(default_factory=dict)


Component = Callable[[Sequence[Item]], Sequence[NodeOutcome | None]]
"""A batch of items -> an outcome each, in order; None (``filters`` kinds only): it goes no further."""


def _ignore_progress(percent: float) -> None:
    """The progress of a node that nobody watches."""


def _skip_verification() -> None:
    """The check of a node that has no plan."""


@dataclass(frozen=True)
class Site:
    """Where a node computes: everything beside its settings that the process tells it.

    Attributes:
        name: of the node, for messages.
        store: URL of the store, for ``store:KEY`` models.
        seed: of the run.
        of: the names of the nodes that it reads, in their order; sorts: what each of them gives.
        called: what the file calls them.
        to: the language that it writes, if it translates and one was set.
        tables: finished tables and models that it reads, by role; see :meth:`new_table`.
        translates: whether it writes another language than it reads.
        languages: source and target language of the data set, where they were set.
        transcripts: whether it reads texts in the language of the data.
        progress: shows how far a ``whole`` node is, in percent; raises where the run is to stop.
        verify: raises StoreError where what a ``whole`` node reads is no longer what its plan was made from.
    """

    name: str
    store: str | None = None
    seed: int = 0
    of: tuple[str, ...] = ()
    sorts: tuple[Sort, ...] = ()
    called: tuple[str, ...] = ()
    to: str | None = None
    translates: bool = False
    tables: Mapping[str, StageRef] = field(default_factory=dict)
    languages: tuple[str | None, str | None] = (None, None)
    transcripts: bool = False
    progress: Callable[[float], None] = _ignore_progress
    verify: Callable[[], None] = _skip_verification

    def table_folder(self, role: str) -> Path:
        """The folder of a finished table that it reads, verified."""
        return Path(Store(self.store).localize(self.tables[role]).path)


S = TypeVar("S", bound=BaseModel)


class Kind(ABC, Generic[S]):
    """A kind of node. Subclasses say what they are by class attributes and override what they need."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """What it does, in half a line."""
    settings: ClassVar[type[BaseModel]]
    reads: ClassVar[tuple[Sort, ...]] = ("text",)
    """Sorts that ``of`` may name."""
    inputs: ClassVar[tuple[int, int]] = (1, 1)
    """Fewest and most nodes in ``of``."""
    gives: ClassVar[Sort] = "text"
    made_by: ClassVar[Mapping[str, str]] = {}
    """Role of a table that it reads -> the kind of node that makes it."""
    whole: ClassVar[bool] = False
    """Made whole by :meth:`make`, not shard by shard."""
    gathers: ClassVar[bool] = False
    """Made whole, but of items as other kinds are: by :meth:`collect_log_probs`."""
    waits: ClassVar[bool] = False
    """Begins when everything that it reads is finished (``whole`` kinds always do)."""
    joins: ClassVar[bool] = False
    """Needs one of its inputs of an utterance; other kinds need all of them."""
    needs_inputs: ClassVar[bool] = False
    """Its items carry the outcomes of its inputs, not only the best text of the first."""
    looks_back: ClassVar[bool] = False
    """Its items carry, instead of the text of the first input, the text that this was translated from."""
    translates: ClassVar[bool] = False
    """Writes another language than it reads: ``to``, else the data's target language."""
    may_translate: ClassVar[bool] = False
    """Translates where its node says ``to``."""
    scored: ClassVar[bool] = True
    """Its texts are scored wherever there are references; rounds have a table of their own."""
    same_language: ClassVar[bool] = False
    """Its texts must be in one language."""
    passes: ClassVar[bool] = False
    """An utterance that passes all its inputs (only written, where speech is recognized) passes it too."""
    filters: ClassVar[bool] = False
    """May give None for an item, which then goes no further."""

    def output_sort(self, settings: S) -> Sort:
        """What it gives, where that is set."""
        return self.gives

    def version(self, settings: S) -> str:
        """Names the code that decides the outputs; changes when they do."""
        raise NotImplementedError

    def libraries(self, settings: S) -> tuple[str, ...]:
        """Distributions whose versions decide the outputs."""
        return ()

    def models(self, settings: S) -> dict[str, str]:
        """References of the models that it computes with, by role; ``node:NAME`` is made by another node."""
        return {}

    def tables(self, settings: S) -> dict[str, str]:
        """Nodes whose tables it reads, by role."""
        return {}

    def files(self, settings: S) -> dict[str, str]:
        """Paths of files that decide the outputs, by role; their digests stand in the plan."""
        return {}

    def resolve_paths(self, settings: S, folder: Path) -> S:
        """Settings whose files lie in ``folder``, that of the graph's file, where they are relative."""
        paths = {role: str(folder / path) for role, path in self.files(settings).items()}
        fields = {role: path for role, path in paths.items() if role in self.settings.model_fields}
        return settings.model_copy(update=fields)

    def digests(self, settings: S, site: Site) -> dict[str, str]:
        """Digests of anything else that decides the outputs, by role (voices, a distribution's version)."""
        return {}

    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """What of the settings decides the outputs, beside models, tables and files."""
        return settings.model_dump(mode="json", exclude={*self.models(settings), *self.files(settings)})

    def seed(self, settings: S, site: Site) -> int:
        """The seed of its random numbers, as it stands in its plan."""
        return site.seed

    def stored_plan(self, settings: S, site: Site) -> StagePlan | None:
        """The plan of a finished stage that stands in for computing. AntiphonError where there is none."""
        return None

    def device(self, settings: S) -> str | None:
        """The device that it computes on (as set: auto, cpu, cuda:0...); None for the lane of a program."""
        return "cpu"

    def check_inputs(self, settings: S, site: Site) -> None:
        """Refuse inputs that do not fit the settings, when a pipeline is read. ConfigError in one line."""

    def check(self, settings: S, site: Site) -> None:
        """Refuse what can be refused without fetching anything. Raises AntiphonError in one line."""

    def validate_models(self, settings: S, site: Site, pairs: LanguagePairs) -> None:
        """Refuse what can be refused once the languages are known; may fetch the models. AntiphonError."""

    def applies(self, utterance: Utterance) -> bool:
        """Whether it has anything to do with an utterance; one that is only written passes a recognizer."""
        return True

    def leaves_unchanged(self, utterance: Utterance) -> bool:
        """Whether it gives an utterance unchanged; a node that leaves a whole data set is left out."""
        return False

    def ways(self, settings: S) -> tuple[str, ...]:
        """The ways that it sends utterances, for ``when: NODE.WAY``."""
        return ()

    def named_ids(self, settings: S) -> Collection[str]:
        """Ids of utterances that its settings name; one that the data do not have is refused."""
        return ()

    def is_idle(self, item: Item) -> bool:
        """Whether nothing is to be done for an item (``waits`` kinds): idle for all, the node is skipped."""
        return False

    def build(self, settings: S, site: Site) -> Component:
        """The component, its models loaded."""
        raise NotImplementedError

    def make(self, settings: S, site: Site, read: Mapping[str, StageRef], folder: Path) -> Product:
        """Make a ``whole`` node's files in ``folder``, going on with what an earlier attempt left there."""
        raise NotImplementedError

    def collect(self, settings: S, site: Site, items: Iterator[Item], folder: Path) -> Product:
        """Make a node that ``gathers``, as :meth:`make` does others."""
        raise NotImplementedError

    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """The nodes that this one stands for (as they would be written in a file), the last its result.

        One that the user wrote elsewhere in the file says where by ``written``: the keys that lead there.
        """
        return None

    def notes(self, settings: S, site: Site, ref: StageRef, data: StageRef | None) -> list[str]:
        """What a run shall say of its finished stage, a line each; ``data``: its utterances, if any."""
        return []
