"""``dev:``: what a node learns from, written as a data set instead of as the nodes that this takes.

A node with ``dev: SOURCE`` stands for a graph: SOURCE as a further data set, copies of all nodes above it
that depend on the data, and a node that learns from these copies, such as ``fit_estimator`` for
``estimate``::

    doubt: {kind: estimate, of: asr, dev: dev.jsonl}

is the same as::

    data--dev:  {kind: data, source: dev.jsonl}
    asr--dev:   {kind: recognize, of: data--dev, ...}
    doubt--fit: {kind: fit_estimator, of: asr--dev}
    doubt:      {kind: estimate, of: asr, fitted: doubt--fit}

Copies are shared by all nodes of one development set. A route is learned from what every rung makes of all
utterances, so copies of its rungs lose the ``when`` that names the route itself.

A student with ``teacher: NODE`` learns in the same way from copies of its teacher over its training data
(:meth:`components.nodes.kind.Kind.extra_data`). These lose every ``when`` that waits for the student.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.errors import ConfigError
from components.nodes.kind import KINDS, Kind
from components.nodes.node_context import ExtraData
from components.pipeline.graph_steps import DEV_KEYS
from components.pipeline.pipeline import DATA, NODE
from components.pipeline.reading.faults import Faults
from components.pipeline.steps.renamed_reads import names_of, rename_reads
from components.stage_settings import table_from_dev
from components.text.suggestions import suggest

TIERS = "tiers"
"""The setting of a route that names the nodes whose outputs it is learned from, beside those of ``of``."""

Written = dict[str, dict[str, Any]]
"""Nodes as they are written in a file, by name."""


class _Set(NamedTuple):
    """A data set that nodes are copied to.

    Attributes:
        source: its node.
        suffix: of the names of the copies.
        bypassed: routes by which the copies are not sent.
        copies: names of those that are made, by the node's.
        skipped: nodes in whose place the copies read the data set.
        changes: of the copies of these nodes, what they have otherwise.
    """

    source: str
    suffix: str
    bypassed: frozenset[str]
    copies: dict[str, str]
    skipped: frozenset[str] = frozenset()
    changes: Mapping[str, Mapping[str, Any]] = {}


def add_development_nodes(written: Mapping[str, dict[str, Any]], faults: Faults) -> Written:
    """Return the nodes with everything that ``dev`` stands for."""
    development = _Development(written, faults)
    for name in written:
        development.resolve(name)
    return development.nodes


class _Development:
    """Nodes of a file, those with ``dev`` replaced by what that stands for.

    Args:
        written: the nodes of the file.
        faults: is told of faults, and to which node of the file an added node belongs.

    Attributes:
        nodes: those that are resolved, with the copies that they need.
    """

    def __init__(self, written: Mapping[str, dict[str, Any]], faults: Faults) -> None:
        self._written, self._faults = written, faults
        self._resolving: set[str] = set()
        self.nodes: Written = {}

    def resolve(self, name: str) -> None:
        """Add a node of the file, and what it is learned by."""
        if name in self._resolving:
            return
        self._resolving.add(name)
        values = self._written[name]
        kind = KINDS.get(str(values.get("kind")))
        if kind is not None:
            values = self._copy_to_own_data(name, values, kind)
        if kind is not None and table_from_dev(kind.settings) and set(DEV_KEYS) & set(values):
            fault = _find_fault(name, values, kind)
            if fault:
                self._faults.add(("nodes", name, "dev"), fault)
            else:
                values = self._learn(name, values, kind)
        self.nodes[name] = values

    def _learn(self, name: str, values: dict[str, Any], kind: Kind[Any]) -> dict[str, Any]:
        """Add what a node is learned by; returns the node that reads it."""
        source = self._add_data(values["dev"], values.get("dev_limit"), "dev", name)
        dev = _Set(source, "dev", frozenset({name}), {})
        read = [*_names(values.get("of", DATA)), *_names(values.get(TIERS, ()))]
        fitted = table_from_dev(kind.settings)
        assert fitted is not None  # it has the key dev
        field, learner = fitted[0], KINDS[fitted[1]]
        shared = {key: value for key, value in values.items() if key in learner.settings.model_fields}
        copies = [self._copy(node, dev) for node in read]
        fit = f"{name}--fit"
        if fit in self._written:
            fault = f"expected one node {fit}, found that and the one that dev of {name} adds; rename one"
            self._faults.add(("nodes", fit), fault)
        self.nodes[fit] = {"kind": learner.name, "of": list(dict.fromkeys(copies)), **shared}
        self._faults.source_keys.setdefault(fit, ("nodes", name))
        own = {key: value for key, value in values.items() if key not in DEV_KEYS}
        return {**own, field: fit}

    def _copy_to_own_data(self, name: str, values: dict[str, Any], kind: Kind[Any]) -> dict[str, Any]:
        """Copy what a node reads over data sets of its own; returns the node with the names of the copies."""
        try:
            own = kind.extra_data(values)
        except ConfigError as error:
            self._faults.add(("nodes", name), f"{name}: {error}")
            return {"kind": kind.name}  # without the settings that have no meaning then
        faults = list(
            filter(None, (self._find_foreign(node, name) for d in own.values() for node in d.nodes))
        )
        for fault in faults:
            self._faults.add(("nodes", name), f"{name}: {fault}")
        if faults:
            return {"kind": kind.name}
        return {**values, **{key: self._copy_all(name, d) for key, d in own.items()}}

    def _find_foreign(self, node: str, reader: str) -> str | None:
        """Return what is wrong with a node that is to be copied, if anything is."""
        if node != DATA and node not in self._written:
            near = suggest(node, [DATA, *(other for other in self._written if other != reader)])
            return f"there is no node {node!r}{near}"
        if not self._depends_on_data(node):
            return f"expected a node that reads the data set of the pipeline, found {node}, which does not"
        return None

    def _copy_all(self, reader: str, own: ExtraData) -> list[str]:
        source = self._add_data(own.source, own.limit, own.suffix, reader)
        waiting = frozenset(name for name in self._written if self._waits_for(name, reader))
        to = _Set(source, own.suffix, waiting, {}, frozenset(own.skipped), own.changes)
        return [self._copy(node, to) for node in own.nodes]

    def _waits_for(self, name: str, other: str, above: frozenset[str] = frozenset()) -> bool:
        """Return whether a node of the file needs another one, by any of its keys."""
        if name not in self._written or name in above:
            return False
        mentioned = set(_mentions(self._written[name]))
        return other in mentioned or any(self._waits_for(n, other, above | {name}) for n in mentioned)

    def _copy(self, name: str, to: _Set, above: frozenset[str] = frozenset()) -> str:
        """Return the name of a node that does with data set ``to`` what ``name`` does with the data."""
        if name == DATA or name in to.skipped:
            return to.source
        if name in to.copies:
            return to.copies[name]
        if name not in self._written or name in above or not self._depends_on_data(name):
            return name  # what reads another data set, or a fault that the reader names
        self.resolve(name)
        copy = {key: v for key, v in self.nodes.get(name, self._written[name]).items() if key != TIERS}
        copy |= _changes_of(copy, to.changes.get(name, {}))
        if str(copy.get("when", "")).partition(".")[0] in to.bypassed:
            copy.pop("when")
        reads = {"of": DATA, **copy}
        copy = rename_reads(reads, lambda node: self._copy(node, to, above | {name}), model_of=str)
        to.copies[name] = self._add(name, copy, to.suffix, name)
        return to.copies[name]

    def _depends_on_data(self, name: str, above: frozenset[str] = frozenset()) -> bool:
        """Return whether a node reads the data set of the pipeline, itself or through others."""
        if name == DATA:
            return True
        values = self._written.get(name, {})
        kind = KINDS.get(str(values.get("kind")))
        if kind is None or not kind.inputs[1] or name in above:
            return False
        return any(self._depends_on_data(node, above | {name}) for node in _names(values.get("of", DATA)))

    def _add_data(self, source: str, limit: int | None, suffix: str, reader: str) -> str:
        """Add a data set, if there is no equal one; returns its name."""
        values = {"kind": "data", "source": source}
        return self._add(DATA, values if limit is None else {**values, "limit": limit}, suffix, reader)

    def _add(self, name: str, values: dict[str, Any], suffix: str, written: str) -> str:
        """Add a copy of a node, if there is no equal one; returns its name."""
        number = 1
        while True:
            copy = f"{name}--{suffix}{number if number > 1 else ''}"
            # In the body of a loop its own name is the present text.
            own = rename_reads(values, names_of({name: copy}), model_of=str)
            if copy not in self._written and self.nodes.setdefault(copy, own) == own:
                self._faults.source_keys.setdefault(copy, ("nodes", written))
                return copy
            number += 1


def _changes_of(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that the kind of a node has settings for."""
    kind = KINDS.get(str(values.get("kind")))
    known = kind.settings.model_fields if kind is not None else {}
    return {setting: value for setting, value in changes.items() if setting in known}


def _find_fault(name: str, values: Mapping[str, Any], kind: Kind[Any]) -> str | None:
    source, limit = values.get("dev"), values.get("dev_limit", 1)
    if not isinstance(source, str) or not source:
        return f"{name}.dev: expected a data set with references, found {source!r}"
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        return f"{name}.dev_limit: expected a number of utterances from 1 on, found {limit!r}"
    field, _ = table_from_dev(kind.settings) or ("", "")
    if values.get(field) is not None:
        return f"{name}: expected dev or {field}, found both"
    return None


def _names(value: Any) -> list[str]:
    """Return the names of nodes; none of what is no list, which the reader refuses."""
    if isinstance(value, str):
        return [value]
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def _mentions(value: Any) -> Iterator[str]:
    """Yield what may be names of nodes in the values of a node: all texts, routes without their way."""
    if isinstance(value, str):
        yield value.removeprefix(NODE).partition(".")[0].partition("@")[0]
    elif isinstance(value, Mapping):
        yield from (name for part in value.values() for name in _mentions(part))
    elif isinstance(value, list | tuple):
        yield from (name for part in value for name in _mentions(part))
