"""The golden, and how what kinds say now is compared with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import AntiphonError
from components.nodes.kind import KINDS
from tests.golden.kinds.changes import settings_of
from tests.golden.kinds.plans import ABSENT, GRAPHS, Workplace, facts_of, flatten, moved

PATH = Path(__file__).parent / "facts.json"
UNMOVED = "(unmoved)"
AGAIN = "where that is meant, run python -m tests.golden.kinds and say why"


def read_golden() -> dict[str, Any]:
    """Graph -> its facts, and change of settings -> what that moves."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def find_faults(name: str, golden: dict[str, Any], workplace: Workplace) -> Iterator[str]:
    """What the keys of a graph are made of otherwise than in the golden, a line each."""
    if name not in GRAPHS["graphs"]:
        yield f"{name}: expected this graph in graphs.yaml, found none"
        return
    try:
        facts = facts_of(name, {}, workplace)
    except AntiphonError as error:
        yield f"{name}: expected a graph that can be planned, found: {error}"
        return
    yield from _compare(name, flatten(golden["facts"]), flatten(facts), ABSENT)
    for written, moves in golden["moves"].items():
        where = f"{name} with {written}"
        try:
            found = moved(facts, facts_of(name, json.loads(written), workplace))
            yield from _compare(where, moves, found, UNMOVED)
        except AntiphonError as error:
            yield f"{where}: expected settings that are taken, found: {error}"


def _compare(where: str, expected: dict[str, Any], found: dict[str, Any], none: str) -> Iterator[str]:
    for path in sorted(expected.keys() | found.keys()):
        values = expected.get(path, none), found.get(path, none)
        if values[0] != values[1]:
            yield f"{where}: {path}: expected {values[0]!r}, found {values[1]!r}"


def find_unchanged_settings(golden: dict[str, Any]) -> list[str]:
    """Kinds and settings that no graph of the golden has off its default."""
    covered: dict[str, set[str]] = {kind: set(names) for kind, names in GRAPHS["without"].items()}
    for name, parts in golden.items():
        node = GRAPHS["graphs"][name]["node"] if name in GRAPHS["graphs"] else {}
        changed = (json.loads(written) for written in parts["moves"])
        names = {setting for change in (node, *changed) for setting in change}
        covered.setdefault(name.partition("/")[0], set()).update(names)
    return [
        f"{kind}.{setting}"
        for kind in KINDS
        for setting in ("kind", *settings_of(kind))
        if setting not in covered.get(kind, set())
    ]
