"""``dev:``: what a node learns from, written as a data set instead of as the nodes that this takes.

A node with ``dev: SOURCE`` stands for a graph: SOURCE as a further data set, copies of all nodes above it
that depend on the data, and a node that learns from these copies, such as ``train_estimate`` for
``estimate``::

    doubt: {kind: estimate, of: asr, dev: dev.jsonl}

is the same as::

    data--dev:  {kind: data, source: dev.jsonl}
    asr--dev:   {kind: recognize, of: data--dev, ...}
    doubt--fit: {kind: train_estimate, of: asr--dev}
    doubt:      {kind: estimate, of: asr, fitted: doubt--fit}

Copies are shared by all nodes of one development set. A route is learned from what every rung makes of all
utterances, so copies of its rungs lose the ``when`` that names the route itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.nodes.kind import Kind
from components.nodes.table import KINDS
from components.pipeline.faults import Faults
from components.pipeline.pipeline import DATA

DEV_KEYS = ("dev", "dev_limit")
"""Keys of nodes of kinds that are learned: the data set, and how many utterances of it at most."""
RUNGS = "rungs"
"""The setting of a route that names the nodes whose outputs it is learned from, beside those of ``of``."""

Written = dict[str, dict[str, Any]]
"""Nodes as they are written in a file, by name."""


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
        if name in self.nodes or name in self._resolving:
            return
        self._resolving.add(name)
        values = self._written[name]
        kind = KINDS.get(str(values.get("kind")))
        if kind is not None and kind.learned_as and set(DEV_KEYS) & set(values):
            fault = _find_fault(name, values, kind)
            if fault:
                self._faults.add(("nodes", name, "dev"), fault)
            else:
                values = self._learn(name, values, kind)
        self.nodes[name] = values

    def _learn(self, name: str, values: dict[str, Any], kind: Kind[Any]) -> dict[str, Any]:
        """Add what a node is learned by; returns the node that reads it."""
        data = {"kind": "data", "source": values["dev"]}
        data |= {"limit": values["dev_limit"]} if "dev_limit" in values else {}
        source = self._add(DATA, data, name)
        read = [*_names(values.get("of", DATA)), *_names(values.get(RUNGS, ()))]
        learner = KINDS[kind.made_by[kind.learned_as]]
        shared = {key: value for key, value in values.items() if key in learner.settings.model_fields}
        copies = [self._copy(node, source, name) for node in read]
        fit = f"{name}--fit"
        self.nodes[fit] = {"kind": learner.name, "of": list(dict.fromkeys(copies)), **shared}
        self._faults.source_keys.setdefault(fit, ("nodes", name))
        own = {key: value for key, value in values.items() if key not in DEV_KEYS}
        return {**own, kind.learned_as: fit}

    def _copy(self, name: str, source: str, learner: str, above: frozenset[str] = frozenset()) -> str:
        """Return the name of a node that does with data set ``source`` what ``name`` does with the data."""
        if name == DATA:
            return source
        if name not in self._written or name in above or not self._depends_on_data(name):
            return name  # what reads another data set, or a fault that the reader names
        self.resolve(name)
        copy = {key: v for key, v in self.nodes.get(name, self._written[name]).items() if key != RUNGS}
        above |= {name}
        of = copy.get("of", DATA)
        copies = [self._copy(node, source, learner, above) for node in _names(of)]
        copy["of"] = copies[0] if isinstance(of, str) else copies
        route, _, way = str(copy.get("when", "")).partition(".")
        if route == learner:
            copy.pop("when")
        elif way:
            copy["when"] = f"{self._copy(route, source, learner, above)}.{way}"
        return self._add(name, copy, name)

    def _depends_on_data(self, name: str, above: frozenset[str] = frozenset()) -> bool:
        """Return whether a node reads the data set of the pipeline, itself or through others."""
        if name == DATA:
            return True
        values = self._written.get(name, {})
        kind = KINDS.get(str(values.get("kind")))
        if kind is None or not kind.inputs[1] or name in above:
            return False
        return any(self._depends_on_data(node, above | {name}) for node in _names(values.get("of", DATA)))

    def _add(self, name: str, values: dict[str, Any], written: str) -> str:
        """Add a copy of a node, if there is no equal one; returns its name."""
        number = 1
        while True:
            copy = f"{name}--dev{number if number > 1 else ''}"
            if self.nodes.setdefault(copy, values) == values:
                self._faults.source_keys.setdefault(copy, ("nodes", written))
                return copy
            number += 1


def _find_fault(name: str, values: Mapping[str, Any], kind: Kind[Any]) -> str | None:
    source, limit = values.get("dev"), values.get("dev_limit", 1)
    if not isinstance(source, str) or not source:
        return f"{name}.dev: expected a data set with references, found {source!r}"
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        return f"{name}.dev_limit: expected a number of utterances from 1 on, found {limit!r}"
    if values.get(kind.learned_as) is not None:
        return f"{name}: expected dev or {kind.learned_as}, found both"
    return None


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(name) for name in value or ()]
