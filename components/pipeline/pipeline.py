"""The graph of a run: the one object that flows build, the executor runs, and analyses rewrite."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from components.models.adapted_references import parts_of
from components.nodes.facts import Facts, Language
from components.nodes.kind import Kind
from components.nodes.node_context import DataType, LanguagePairs, NodeContext
from components.pipeline.resources import Resources
from components.run_record import NodeRecord, PipelineRecord
from components.text.languages import UNDETERMINED

DATA = "data"
"""The name by which nodes read the data set: speech and text."""
SOURCE, TARGET = "source", "target"
"""The languages of the data set, whichever they are."""
NODE = "node:"
"""Prefix of the reference of a model that another node makes."""
OF, WHEN, ORIGIN = "of", "when", "source"
"""Roles of edges; the kind names those of tables and models."""


@dataclass(frozen=True)
class Node:
    """One node: its kind, checked settings, and what it reads.

    Attributes:
        name: unique in its pipeline.
        kind: what it does.
        settings: those of its kind, checked.
        of: the nodes whose outputs are its inputs, in order; ``data`` is the data set.
        when: (node, way): it computes only the utterances that the node sent that way.
        to: the language that it writes, if set.
        translates: whether it writes another language than it reads.
        display_names: what the file calls the nodes of ``of``; one that stands for several has other names.
        values: the node as it is written in a file.
        origin: for kinds that look back, the node whose text its input was translated from.
        resources: what its workers need of a cluster.
    """

    name: str
    kind: Kind[Any]
    settings: BaseModel
    of: tuple[str, ...]
    when: tuple[str, str] | None = None
    to: str | None = None
    translates: bool = False
    display_names: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    origin: str | None = None
    resources: Resources = field(default_factory=Resources)

    @cached_property
    def facts(self) -> Facts:
        """What its settings decide."""
        return self.kind.facts(self.settings)

    @property
    def output(self) -> DataType:
        """The sort of its output."""
        return self.facts.output

    @property
    def models(self) -> Mapping[str, str]:
        """References of its models, by role."""
        return self.facts.models

    @cached_property
    def model_nodes(self) -> dict[str, str]:
        """The nodes that make its models, by role."""
        return {
            role if number == 0 else f"{role}+{number}": name.removeprefix(NODE)
            for role, model in self.models.items()
            for number, name in enumerate(parts_of(model))
            if name.startswith(NODE)
        }

    @cached_property
    def tables(self) -> dict[str, str]:
        """The nodes whose finished files it reads, by role: tables, and models made in this run."""
        return {**self.facts.tables, **self.model_nodes}

    @cached_property
    def reads(self) -> dict[str, str]:
        """Every node that it reads, by role; ``data`` may be among them."""
        edges = {f"{OF}{number}": name for number, name in enumerate(self.of)}
        if self.when is not None:
            edges[WHEN] = self.when[0]
        if self.origin is not None:
            edges[ORIGIN] = self.origin
        return {**edges, **self.tables}


@dataclass(frozen=True)
class Pipeline:
    """A graph: nodes by name, each after those that it reads, and the nodes whose texts are scored.

    Attributes:
        nodes: by name, in an order of computing.
        outputs: role (transcript, translation) -> the node that is scored for it.
        languages: source and target language of the data set, where they are set.
        aliases: a name in the file -> the last of the nodes that it stands for.
        definitions: the nodes as they are written in a file, before any stands for several.
        source_keys: a node that another stands for -> the keys of the file where the user wrote it.
        folder: where the files that nodes name lie.
    """

    nodes: Mapping[str, Node]
    outputs: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str | None, str | None] = (None, None)
    aliases: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: Path = Path()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def user_name_of(self, name: str) -> str:
        """Return what the user calls a node: its own name, or that of the node that stands for it."""
        return join_keys(self.source_keys.get(name, ("nodes", name)))

    def type_of(self, name: str) -> DataType:
        """Return the sort of a node's output."""
        return "data" if name == DATA else self.nodes[name].output

    def is_data(self, name: str) -> bool:
        """Return whether a name is the data set, or a node that is a further one."""
        return self.type_of(name) == "data"

    def is_scored(self, name: str) -> bool:
        """Return whether a node's texts are scored: what is only read as remarks on a text is none."""
        roles = [n.facts.remarks == i for n in self for i, read in enumerate(n.of) if read == name]
        return self.nodes[name].facts.is_scored and not (roles and all(roles))

    def data_of(self, name: str) -> str:
        """Return the data set whose utterances a node computes."""
        while not self.is_data(name):
            inputs = self.nodes[name].of
            if not inputs:
                return DATA
            name = inputs[0]
        return name

    def data_nodes(self) -> list[Node]:
        """Return the further data sets, such as one to learn coefficients on."""
        return [node for node in self if node.output == "data"]

    def language_of(self, name: str) -> str:
        """Return the language of a node's texts: ``source``, ``target`` or a code."""
        if self.is_data(name):
            return SOURCE
        node = self.nodes[name]
        if node.translates:
            return node.to or TARGET
        texts = [
            input_name for input_name in node.of if self.type_of(input_name) in ("data", "text", "speech")
        ]
        return self.language_of(texts[0]) if texts else SOURCE

    def pairs_of(self, node: Node, pairs: LanguagePairs) -> LanguagePairs:
        """Return the source and target languages that a node meets, from those of the data set."""
        source_role = self.language_of(node.origin or node.of[0]) if node.of else SOURCE
        target_role = self.language_of(node.name)
        codes = [{SOURCE: source, TARGET: target} for source, target in pairs]
        return frozenset(
            (by_role.get(source_role, source_role) or UNDETERMINED, by_role.get(target_role, target_role))
            for by_role in codes
        )

    def is_spoken(self, name: str) -> bool:
        """Return whether a node's texts were recognized from speech and never translated."""
        return self.type_of(name) == "text" and not self.is_translated(name)

    def is_translated(self, name: str) -> bool:
        """Return whether a node's texts were translated, or made from texts that were."""
        return self._translated[name]

    @cached_property
    def _translated(self) -> dict[str, bool]:
        answers = {DATA: False}
        for node in self:
            texts = node.of[:1] if node.kind.language is Language.OF_FIRST else node.of
            above = any(answers[name] for name in texts)
            answers[node.name] = not self.is_data(node.name) and (node.translates or above)
        return answers

    def speech_of(self, name: str) -> str:
        """Return the node (or ``data``) whose utterances a node's texts belong to."""
        return self._speech[name]

    @cached_property
    def _speech(self) -> dict[str, str]:
        answers = {DATA: DATA}
        for node in self:
            above = [answers[name] for name in node.of if self.type_of(name) != "table"]
            others = (name for name in above if not self.is_data(name))
            own = self.type_of(node.name) in ("data", "speech")
            answers[node.name] = node.name if own else next(others, above[0] if above else DATA)
        return answers

    def depth_of(self, name: str) -> int:
        """Return the number of edges on the longest path from the data set."""
        return self._depths[name]

    @cached_property
    def _depths(self) -> dict[str, int]:
        answers = {DATA: 0}
        for node in self:
            answers[node.name] = 1 + max((answers[name] for name in node.reads.values()), default=0)
        return answers

    def subgraph_of(self, name: str) -> Pipeline:
        """Return the sub-graph that a node needs, itself included."""
        needed = {self.aliases.get(name, name)}
        for node in reversed(list(self)):
            if node.name in needed:
                needed |= set(node.reads.values())
        return self.keep(needed)

    def keep(self, names: Container[str]) -> Pipeline:
        """Return the pipeline of some of its nodes, which has all that these read."""
        nodes = {name: node for name, node in self.nodes.items() if name in names}
        return replace(self, nodes=nodes, outputs=outputs_of(self, nodes))

    def context_of(self, node: Node, store: str | None, seed: int) -> NodeContext:
        """Return the context of a node before the tables that it reads are finished."""
        return NodeContext(
            name=node.name,
            store=store,
            seed=seed,
            of=node.of,
            types=tuple(map(self.type_of, node.of)),
            display_names=node.display_names,
            to=node.to,
            translates=node.translates,
            translated=self.is_translated(node.name),
            languages=self.languages,
            transcripts=self.language_of(node.name) == SOURCE,
            has_tokens=all(self.is_data(name) or self.nodes[name].facts.has_tokens for name in node.of[:1]),
        )

    def to_record(self, statuses: Mapping[str, str] | None = None) -> PipelineRecord:
        """Return the graph as a run records it.

        Args:
            statuses: of the nodes; ``planned`` where there is none.
        """
        nodes = [self._node_record(node, (statuses or {}).get(node.name, "planned")) for node in self]
        return PipelineRecord.model_validate({"nodes": nodes, "outputs": dict(self.outputs)})

    def _node_record(self, node: Node, status: str) -> NodeRecord:
        texts = node.output in ("text", "speech")
        values = {
            "name": node.name,
            "kind": node.kind.name,
            "output": node.output,
            "whole": node.kind.mode.is_whole,
            "scored": self.is_scored(node.name),
            "reads": dict(node.reads),
            "when": None if node.when is None else ".".join(node.when),
            "language": self.language_of(node.name) if texts else None,
            "models": node.models,
            "settings": node.settings.model_dump(mode="json", exclude_unset=True),
            "status": status,
        }
        return NodeRecord.model_validate(values)


def join_keys(keys: tuple[str, ...]) -> str:
    """Join the keys of the file that lead to a node with dots, without the first (``nodes``)."""
    return ".".join(keys[1:])


def outputs_of(pipeline: Pipeline, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return the scored node of each role: the file's, else the last transcript and the last translation."""
    outputs = {role: name for role, name in pipeline.outputs.items() if name in nodes}
    for name, node in nodes.items():
        if node.output == "text" and pipeline.data_of(name) == DATA:
            role = "transcript" if pipeline.is_spoken(name) else "translation"
            source, target = pipeline.languages
            back = role == "translation" and pipeline.language_of(name) in {SOURCE, source} - {target}
            if not back and pipeline.outputs.get(role) not in nodes:
                outputs[role] = name
    return outputs
