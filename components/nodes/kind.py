"""The interface of every kind of node, and the table ``KINDS`` of all that families and packages name.

A kind is one short file: its settings (a pydantic model, importable without torch), the sorts that it reads
and gives, what of it decides its outputs, and how to build the component that maps a batch of items to
outcomes. The reader, the plan, the executor and the report know nothing else of it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from components.errors import ConfigError
from components.extensions import Extensions
from components.files.files import read_json
from components.nodes.facts import Carry, Facts, Items, Language, Mode, state
from components.nodes.node_context import Component, DataType, ExtraData, Item, LanguagePairs, NodeContext
from components.records import Quarantined
from components.run_record import StageRef
from components.stage_settings import data_sets, key_values, marked, resolve_files
from components.storage.stages.whole_stage import TABLES, StageFiles

S = TypeVar("S", bound=BaseModel)


class Kind(ABC, Generic[S]):
    """A kind of node. Subclasses set class attributes and override the methods that they need."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """What it does, in a few words."""
    settings: ClassVar[type[BaseModel]]
    """Their fields say by markers of :mod:`components.stage_settings` what is a model, a file, a seed ..."""
    reads: ClassVar[tuple[DataType, ...]] = ("text",)
    """The sorts of nodes that ``of`` may name; what reads speech and no text computes what has audio."""
    inputs: ClassVar[tuple[int, int]] = (1, 1)
    """The least and the greatest number of nodes in ``of``."""
    output: ClassVar[DataType] = "text"
    mode: ClassVar[Mode] = Mode.PER_ITEM
    items: ClassVar[Items] = Items()
    language: ClassVar[Language] = Language.READ
    stated: ClassVar[Mapping[str, Any]] = state()
    """Fields of :class:`Facts` that are the same whatever its settings."""
    version: ClassVar[str] = ""
    """Of the code that decides the outputs; it changes when they do."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """The distributions whose versions decide the outputs."""

    def facts(self, settings: S) -> Facts:
        """Return what the settings decide: their markers and what is ``stated``, unless a kind knows more.

        A kind that does gives ``replace(super().facts(settings), ...)``.
        """
        facts = Facts(
            version=self.version,
            libraries=self.libraries,
            output=self.output,
            models=marked(settings, "model"),
            tables=marked(settings, "table"),
            files=marked(settings, "file"),
            stage=next(iter(marked(settings, "stage").values()), None),
            seed=next(iter(marked(settings, "seed").values()), None),
            device=next(iter(marked(settings, "device").values()), "cpu"),
            reads_source=self.items.carry is Carry.SOURCE,
        )
        return replace(facts, **self.stated)

    def resolve_paths(self, settings: S, folder: Path) -> S:
        """Return settings whose relative paths start at ``folder``, that of the pipeline's file."""
        return resolve_files(settings, self.facts(settings).files, folder)

    def complete(self, settings: S, store: str | None, made: Mapping[str, str]) -> S:
        """Return settings with what the configurations of their models decide, such as a backend.

        Args:
            settings: as they are written.
            store: URL of the store, for ``store:KEY`` models.
            made: architecture of each model ``node:NAME`` that another node makes, as far as it is known.
        """
        return settings

    def digests(self, settings: S, context: NodeContext) -> dict[str, str]:
        """Return digests of the data sets of its settings, and of what else decides the outputs, by role."""
        sets = data_sets(settings)
        if not sets:
            return {}
        from components import data  # noqa: PLC0415 - decodes audio

        return {role: data.load(**each._asdict()).digest for role, each in sets.items()}

    def parameters(self, settings: S, context: NodeContext) -> dict[str, Any]:
        """Return the settings that decide the outputs: as ``key_parameters`` says, else the unmarked."""
        own = getattr(settings, "key_parameters", None)
        return key_values(settings) if own is None else own()

    def check_inputs(self, settings: S, context: NodeContext) -> None:
        """Refuse inputs that do not fit the settings, when a pipeline is read.

        Raises:
            ConfigError: in one line, why.
        """

    def check_table(self, settings: S, context: NodeContext, role: str, maker: BaseModel) -> None:
        """Refuse a table that a node of this pipeline will make, by the settings of that node.

        Raises:
            ConfigError: in one line, why.
        """

    def check(self, settings: S, context: NodeContext) -> None:
        """Refuse what can be refused without fetching anything: names of models, data sets.

        Raises:
            AntiphonError: in one line, why.
        """
        if references := self.facts(settings).models.values():
            from components import models  # noqa: PLC0415 - may ask for consent

            for reference in references:
                models.check(reference, context.store)
        if sets := data_sets(settings):
            from components import data  # noqa: PLC0415 - decodes audio

            for each in sets.values():
                data.check(each.source, each.source_language, each.target_language)

    def validate_models(self, settings: S, context: NodeContext, pairs: LanguagePairs) -> None:
        """Refuse what can be refused once the languages are known; this may fetch the models.

        Raises:
            AntiphonError: in one line, why.
        """

    def build(self, settings: S, context: NodeContext) -> Component:
        """Build the component, its models loaded."""
        raise NotImplementedError

    def check_failed(self, settings: S, first: Quarantined) -> None:
        """Refuse a stage of which no record could be processed, before it is finished.

        Args:
            settings: the node's.
            first: why the first one could not.

        Raises:
            DataError: every record failed by one fault of the settings.
        """

    def make(
        self, settings: S, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Make the files of a WHOLE node in ``folder``, going on with what an earlier attempt left there.

        Args:
            settings: the node's.
            context: where it computes.
            read: the finished stages that it reads, by role.
            folder: that of its stage.
        """
        raise NotImplementedError

    def collect(self, settings: S, context: NodeContext, items: Iterator[Item], folder: Path) -> StageFiles:
        """Make the files of an AGGREGATE node from its items, as :meth:`make` does for others."""
        raise NotImplementedError

    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Return the nodes that this one stands for, as they would be written in a file, the last its result.

        A node that the user wrote elsewhere in the file says where by ``written``: the keys that lead there.
        """
        return None

    def extra_data(self, values: Mapping[str, Any]) -> dict[str, ExtraData]:
        """Return what it reads over data sets of its own, by the key that takes the names of the copies.

        Args:
            values: the node as it is written in the file.

        Raises:
            ConfigError: settings that contradict each other.
        """
        return {}

    def notes(self, settings: S, context: NodeContext, ref: StageRef, data: StageRef | None) -> list[str]:
        """Return lines of the run's record on its stage: ``notes`` of its tables, and the model it made.

        Args:
            settings: the node's.
            context: where it computed.
            ref: its stage.
            data: its utterances, if there are any.
        """
        tables = Path(ref.path) / TABLES
        told = read_json(tables).get("notes", []) if tables.is_file() else []
        model = [f"{ref.stage}: model store:{ref.key[:12]}"] if self.output == "model" else []
        return [*(f"{ref.stage}: {line}" for line in told), *model]


def find_missing_methods(kind: Kind[Any]) -> list[str]:
    """Return what a kind's mode requires and it lacks; data and what expands to others need nothing."""
    if kind.output == "data" or not _is_inherited(kind, "expand"):
        return []
    is_stated = isinstance(kind.version, str) and kind.version != ""
    version = [] if is_stated or not _is_inherited(kind, "facts") else ["version"]
    return [*version, *([kind.mode.method] if _is_inherited(kind, kind.mode.method) else [])]


def _is_inherited(kind: Kind[Any], method: str) -> bool:
    return getattr(type(kind), method) is getattr(Kind, method)


def _accept(name: str, value: str, kind_class: Any) -> Kind[Any]:
    is_kind = isinstance(kind_class, type) and issubclass(kind_class, Kind)
    if not is_kind or getattr(kind_class, "name", None) != name:
        raise ConfigError(f"expected a Kind of that name at {value}, found {kind_class!r:.80}")
    kind: Kind[Any] = kind_class()
    if missing := find_missing_methods(kind):
        raise ConfigError(f"expected {value} to define {' and '.join(missing)}")
    return kind


KINDS: Extensions[Kind[Any]] = Extensions("antiphon.kinds", "kind", _accept)
"""Kinds by the name that ``kind:`` takes in a file; a process may add its own to them."""
