"""``systems``: nodes that are written inside the node that reads them.

A node with ``systems`` reads these instead of what its ``of`` names, which they read::

    mt: {kind: combine, of: asr, systems: [{kind: translate, model: A}, {kind: translate, model: B}]}

is the same as::

    mt-1: {kind: translate, of: asr, model: A}
    mt-2: {kind: translate, of: asr, model: B}
    mt:   {kind: combine, of: [mt-1, mt-2]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.pipeline.reading.faults import Faults

SYSTEMS = "systems"


def split_systems(nodes: Any, faults: Faults) -> Any:
    """Return the nodes of a file with those of ``systems`` as nodes of their own; anything else as it is."""
    if not isinstance(nodes, Mapping):
        return nodes
    split: dict[Any, Any] = {}
    for name, values in nodes.items():
        systems = values.get(SYSTEMS) if isinstance(values, Mapping) else None
        if systems is None:
            split[name] = values
            continue
        if not isinstance(systems, list | tuple) or not all(isinstance(s, Mapping) for s in systems):
            fault = f"{name}.systems: expected a list of nodes such as {{kind: translate}}, found {systems!r}"
            faults.add(("nodes", name, SYSTEMS), fault)
            continue
        shared = {key: values[key] for key in ("of", "when") if key in values}
        own = {key: value for key, value in values.items() if key not in (SYSTEMS, "when")}
        names = [f"{name}-{number}" for number in range(1, len(systems) + 1)]
        for taken in nodes.keys() & names:
            fault = f"expected one node {taken}, found that and a system of its name; rename one"
            faults.add(("nodes", taken), fault)
        for number, system in enumerate(systems):
            faults.source_keys.setdefault(names[number], ("nodes", name, SYSTEMS, str(number)))
            split[names[number]] = {**shared, **system}
        split[name] = {**own, "of": names}
    return split
