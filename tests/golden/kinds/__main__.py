"""Write facts.json again: ``python -m tests.golden.kinds``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from components.errors import AntiphonError
from tests.golden.kinds.changes import candidates
from tests.golden.kinds.golden import PATH, find_faults, read_golden
from tests.golden.kinds.plans import GRAPHS, Facts, Workplace, facts_of, moved, open_workplace


def describe(name: str, workplace: Workplace) -> dict[str, Any]:
    """The facts of a graph, and what each change of a setting moves."""
    graph = GRAPHS["graphs"][name]
    facts = facts_of(name, {}, workplace)
    changes = list(graph.get("off", ()))
    for setting, values in {} if graph.get("alone") else candidates(name).items():
        changes += _choose(name, facts, [{setting: value} for value in values], workplace)
    moves = {json.dumps(each): moved(facts, facts_of(name, each, workplace)) for each in changes}
    return {"facts": facts, "moves": moves}


def _choose(
    name: str, facts: Facts, changes: list[dict[str, Any]], workplace: Workplace
) -> list[dict[str, Any]]:
    """The first change that moves the keys, else the first that is taken, else none."""
    taken = []
    for change in changes:
        try:
            after = facts_of(name, change, workplace)
        except AntiphonError:
            continue
        if after != facts:
            return [change]
        taken.append(change)
    return taken[:1]


def encode(golden: dict[str, dict[str, Facts]]) -> str:
    """JSON with a line per field of a node, and per change."""
    graphs = []
    for name, parts in golden.items():
        nodes = [f"{json.dumps(node)}: {_lines(fields, 3)}" for node, fields in parts["facts"].items()]
        facts = "{\n   " + ",\n   ".join(nodes) + "\n  }"
        moves = _lines(parts["moves"], 2)
        graphs.append(f' {json.dumps(name)}: {{\n  "facts": {facts},\n  "moves": {moves}\n }}')
    return "{\n" + ",\n".join(graphs) + "\n}\n"


def _lines(values: dict[str, Any], depth: int) -> str:
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    lines = [f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in values.items()]
    return "{" + inner + f",{inner}".join(lines) + outer + "}" if lines else "{}"


def main() -> None:
    """Write the golden and name what it says otherwise than before."""
    before = read_golden() if PATH.exists() else {}
    with tempfile.TemporaryDirectory() as folder, open_workplace(Path(folder)) as workplace:
        for fault in (fault for name in before for fault in find_faults(name, before[name], workplace)):
            print(fault)
        golden = {name: describe(name, workplace) for name in GRAPHS["graphs"]}
    PATH.write_text(encode(golden), encoding="utf-8")
    print(f"{PATH.name}: {len(golden)} graphs, {sum(len(g['moves']) for g in golden.values())} changes")


if __name__ == "__main__":
    main()
