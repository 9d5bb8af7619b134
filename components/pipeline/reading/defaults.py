"""``defaults``: settings that nodes of a file share, of all kinds that have them or of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.nodes.kind import KINDS
from components.pipeline.reading.faults import Faults


def apply_defaults(nodes: Any, defaults: Any, faults: Faults) -> dict[str, dict[str, Any]]:
    """Return the written nodes with the settings that they share."""
    if not isinstance(nodes, Mapping) or not nodes:
        found = "a list: leave out the dashes" if isinstance(nodes, list) else "none"
        faults.add(("nodes",), f"nodes: expected names such as asr: {{kind: recognize}}, found {found}")
        return {}
    if not isinstance(defaults, Mapping):
        faults.add(("defaults",), f"defaults: expected settings, found {type(defaults).__name__}")
        return {}
    for key in KINDS.keys() & defaults.keys():
        if not isinstance(defaults[key] or {}, Mapping):
            faults.add(
                ("defaults", key), f"defaults.{key}: expected settings of {key}, found {defaults[key]!r}"
            )
            return {}
    written, used = {}, set[str]()
    for name, values in nodes.items():
        if not isinstance(values, Mapping):
            faults.add(
                ("nodes", name), f"{name}: expected a node such as {{kind: recognize}}, found {values!r}"
            )
            continue
        kind = KINDS.get(str(values.get("kind")))
        shared = dict(defaults.get(kind.name) or {}) if kind else {}
        for key, value in defaults.items():
            if kind is not None and key not in KINDS and key in kind.settings.model_fields:
                shared.setdefault(key, value)
                used.add(key)
        written[str(name)] = {**shared, **values}
    for key in defaults:
        if key not in used and key not in KINDS:
            faults.add(("defaults", key), f"defaults.{key}: no node has such a setting")
    return written
