"""The interface of every kind of node, behind the table ``KINDS``.

A kind is one short file: its settings (a pydantic model, importable without torch), the sorts that it reads
and gives, what of it decides its outputs, and how to build the component that maps a batch of items to
outcomes. The reader, the plan, the executor and the report know nothing else of it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from components.nodes.site import Component, Item, LanguagePairs, OwnData, Site, Sort
from components.records import NBest, Utterance
from components.run_record import StageRef
from components.storage.stage_plan import StagePlan
from components.storage.whole_stage import Product

S = TypeVar("S", bound=BaseModel)


class Kind(ABC, Generic[S]):
    """A kind of node. Subclasses set class attributes and override the methods that they need."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """What it does, in a few words."""
    settings: ClassVar[type[BaseModel]]
    reads: ClassVar[tuple[Sort, ...]] = ("text",)
    """The sorts of nodes that ``of`` may name."""
    inputs: ClassVar[tuple[int, int]] = (1, 1)
    """The least and the greatest number of nodes in ``of``."""
    gives: ClassVar[Sort] = "text"
    made_by: ClassVar[Mapping[str, str]] = {}
    """Role of a table that it reads -> the kind of node that makes it."""
    architecture: ClassVar[str] = ""
    """Of the model that it makes, where that is not the one of the first model that it starts from."""
    learned_as: ClassVar[str] = ""
    """The role of a table that is learned: a file may say from which data set by ``dev`` in its place."""
    whole: ClassVar[bool] = False
    """It is made in one piece by :meth:`make`, not shard by shard."""
    gathers: ClassVar[bool] = False
    """It is made in one piece, but from items as other kinds are, by :meth:`collect`."""
    waits: ClassVar[bool] = False
    """It begins when everything that it reads is finished (``whole`` kinds always do)."""
    joins: ClassVar[bool] = False
    """It needs an utterance from one of its inputs; other kinds need it from all of them."""
    needs_inputs: ClassVar[bool] = False
    """Its items have the outcomes of all its inputs, not only the best text of the first."""
    looks_back: ClassVar[bool] = False
    """Its items have, instead of the first input's text, the text that this was translated from."""
    translates: ClassVar[bool] = False
    """It writes another language than it reads: ``to``, else the data's target language."""
    may_translate: ClassVar[bool] = False
    """It translates where its node says ``to``."""
    pools: ClassVar[bool] = False
    """It chooses from :meth:`candidates`, whose oracles are scored beside it."""
    scored: ClassVar[bool] = True
    """Its texts are scored wherever there are references; rounds have a table of their own."""
    same_language: ClassVar[bool] = False
    """Its texts must be in one language."""
    passes: ClassVar[bool] = False
    """An utterance that all its inputs pass on unchanged, such as text past a recognizer, passes it, too."""
    asks: ClassVar[bool] = False
    """It asks a person, which needs somebody who watches the run."""
    annotates: ClassVar[bool] = False
    """It gives its first input's text again, whatever else it reads: that decides what its texts are."""
    features: ClassVar[Collection[str] | None] = None
    """Features that its hypotheses may have beside those of its inputs; ``share:`` stands for all names that
    begin so. None where they are not known before it runs."""
    filters: ClassVar[bool] = False
    """It may return None for an item, which drops the utterance."""

    def output_sort(self, settings: S) -> Sort:
        """Return the sort of its output, where settings decide that."""
        return self.gives

    def sees_source(self, settings: S) -> bool:
        """Return whether its items have the source of the first input's text, as ``looks_back`` says."""
        return self.looks_back

    def version(self, settings: S) -> str:
        """Return the version of the code that decides the outputs; it changes when they do."""
        raise NotImplementedError

    def libraries(self, settings: S) -> tuple[str, ...]:
        """Return the distributions whose versions decide the outputs."""
        return ()

    def models(self, settings: S) -> dict[str, str]:
        """Return the references of its models, by role; ``node:NAME`` is made by another node."""
        return {}

    def tables(self, settings: S) -> dict[str, str]:
        """Return the nodes whose tables it reads, by role."""
        return {}

    def files(self, settings: S) -> dict[str, str]:
        """Return the paths of files that decide the outputs, by role; their digests are in the plan."""
        return {}

    def resolve_paths(self, settings: S, folder: Path) -> S:
        """Return settings whose relative paths start at ``folder``, that of the pipeline's file."""
        paths = {role: str(folder / path) for role, path in self.files(settings).items()}
        fields = {role: path for role, path in paths.items() if role in self.settings.model_fields}
        return settings.model_copy(update=fields)

    def complete(self, settings: S, store: str | None, made: Mapping[str, str]) -> S:
        """Return settings with what the configurations of their models decide, such as a backend.

        Args:
            settings: as they are written.
            store: URL of the store, for ``store:KEY`` models.
            made: architecture of each model ``node:NAME`` that another node makes, as far as it is known.
        """
        return settings

    def digests(self, settings: S, site: Site) -> dict[str, str]:
        """Return digests of anything else that decides the outputs, such as voices, by role."""
        return {}

    def parameters(self, settings: S, site: Site) -> dict[str, Any]:
        """Return the settings that decide the outputs, without models, tables and files."""
        return settings.model_dump(mode="json", exclude={*self.models(settings), *self.files(settings)})

    def seed(self, settings: S, site: Site) -> int:
        """Return the seed of its random numbers, as it stands in its plan."""
        return site.seed

    def find_stored_plan(self, settings: S, site: Site) -> StagePlan | None:
        """Return the plan of a finished stage that is used instead of computing, if there is one.

        Raises:
            AntiphonError: there should be one, and it is missing.
        """
        return None

    def device(self, settings: S) -> str | None:
        """Return the device that it computes on (auto, cpu, cuda:0, ...); None for a lane of its own."""
        return "cpu"

    def check_inputs(self, settings: S, site: Site) -> None:
        """Refuse inputs that do not fit the settings, when a pipeline is read.

        Raises:
            ConfigError: in one line, why.
        """

    def check_table(self, settings: S, site: Site, role: str, maker: BaseModel) -> None:
        """Refuse a table that a node of this pipeline will make, by the settings of that node.

        Raises:
            ConfigError: in one line, why.
        """

    def check(self, settings: S, site: Site) -> None:
        """Refuse what can be refused without fetching anything.

        Raises:
            AntiphonError: in one line, why.
        """

    def validate_models(self, settings: S, site: Site, pairs: LanguagePairs) -> None:
        """Refuse what can be refused once the languages are known; this may fetch the models.

        Raises:
            AntiphonError: in one line, why.
        """

    def applies(self, utterance: Utterance) -> bool:
        """Return whether it computes an utterance; a recognizer does not compute one without audio."""
        return True

    def leaves_unchanged(self, utterance: Utterance) -> bool:
        """Return whether it gives an utterance unchanged; if so for all data, the node is left out."""
        return False

    def ways(self, settings: S) -> tuple[str, ...]:
        """Return the ways that it sends utterances, for ``when: NODE.WAY``."""
        return ()

    def numbers(self, settings: S) -> tuple[str, ...]:
        """Return the numbers of its first input that it decides by; one that cannot be there is refused."""
        return ()

    def thresholds(self, settings: S) -> dict[str, tuple[str, float]]:
        """Return setting -> a number and what it is compared with; one that it cannot reach is refused."""
        return {}

    def ids_in_settings(self, settings: S) -> Collection[str]:
        """Return ids of utterances that its settings name; an id that the data lack is refused."""
        return ()

    def is_idle(self, item: Item) -> bool:
        """Return whether there is nothing to do for an item (``waits`` kinds); if so for all, it skips."""
        return False

    def candidates(self, settings: S, nbests: Sequence[NBest]) -> list[str]:
        """Return the different texts that a kind with ``pools`` chooses from, of the lists that it reads."""
        return []

    def fewest_utterances(self, settings: S, site: Site) -> int:
        """Return how many utterances it learns from at least; with fewer nothing is computed."""
        return 0

    def needs_speech(self, settings: S) -> bool:
        """Return whether a data set without any speech is refused where no node gives it some."""
        return False

    def estimators(self, settings: S) -> tuple[str, ...]:
        """Return the fitted estimators whose estimates its texts have: ``node:NAME`` or finished ones."""
        return ()

    def needs_unseen(self, settings: S) -> bool:
        """Return whether estimates that it reads must come from estimators that have not seen its data."""
        return False

    def list_length(self, settings: S) -> int:
        """Return how many hypotheses its lists have at most, where it searches or draws several."""
        return 1

    def build(self, settings: S, site: Site) -> Component:
        """Build the component, its models loaded."""
        raise NotImplementedError

    def check_outcomes(self, settings: S, folder: Path) -> None:
        """Refuse what all its shards have given, before its stage is finished.

        Raises:
            DataError: every record failed by one fault of the settings.
        """

    def make(self, settings: S, site: Site, read: Mapping[str, StageRef], folder: Path) -> Product:
        """Make a ``whole`` node's files in ``folder``, going on with what an earlier attempt left there.

        Args:
            settings: the node's.
            site: where it computes.
            read: the finished stages that it reads, by role.
            folder: that of its stage.
        """
        raise NotImplementedError

    def collect(self, settings: S, site: Site, items: Iterator[Item], folder: Path) -> Product:
        """Make the files of a node that ``gathers`` from its items, as :meth:`make` does for others."""
        raise NotImplementedError

    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Return the nodes that this one stands for, as they would be written in a file, the last its result.

        A node that the user wrote elsewhere in the file says where by ``written``: the keys that lead there.
        """
        return None

    def own_data(self, values: Mapping[str, Any]) -> dict[str, OwnData]:
        """Return what it reads over data sets of its own, by the key that takes the names of the copies.

        Args:
            values: the node as it is written in the file.

        Raises:
            ConfigError: settings that contradict each other.
        """
        return {}

    def describe(self, settings: S) -> str:
        """Return what ``antiphon plan`` says of its settings beside its name, in a few words."""
        return ""

    def notes(self, settings: S, site: Site, ref: StageRef, data: StageRef | None) -> list[str]:
        """Return what the run's record says of its finished stage, a line each.

        Args:
            settings: the node's.
            site: where it computed.
            ref: its stage.
            data: its utterances, if there are any.
        """
        return []
