"""Changes of settings: one that is not the default for each setting of a kind that takes a simple value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.nodes.kind import KINDS
from tests.golden.kinds.plans import GRAPHS

Schema = Mapping[str, Any]


def settings_of(kind: str) -> dict[str, Schema]:
    """The settings of a kind, by the names that they have in a file, with their JSON schemas."""
    schema = KINDS[kind].settings.model_json_schema()
    definitions = schema.get("$defs", {})
    return {
        name: definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        for name, part in schema.get("properties", {}).items()
    }


def candidates(graph: str) -> dict[str, list[Any]]:
    """Values of each setting of a graph's kind that are not those of the graph.

    There are none of settings that ``off`` changes.
    """
    node = GRAPHS["graphs"][graph]["node"]
    by_hand = {name for change in GRAPHS["graphs"][graph].get("off", ()) for name in change}
    return {
        name: [value for value in _ordered(name, schema) if value != node.get(name, schema.get("default"))]
        for name, schema in settings_of(node["kind"]).items()
        if name not in by_hand and name not in GRAPHS["without"].get(node["kind"], ())
    }


def _ordered(name: str, schema: Schema) -> list[Any]:
    """The values of a setting, those first that the graphs name as its first ones."""
    first = GRAPHS["first"].get(name, ())
    return sorted(_values(schema), key=lambda value: first.index(value) if value in first else len(first))


def _values(schema: Schema) -> Iterator[Any]:
    """Values that a schema may admit; models, files and nodes are no simple values."""
    default = schema.get("default")
    for part in schema.get("anyOf", [schema]):
        kind = part.get("type")
        if "enum" in part:
            yield from part["enum"]
        elif "const" in part:
            yield part["const"]
        elif kind == "boolean":
            yield not default
        elif kind in {"integer", "number"}:
            yield from _numbers(part, default if isinstance(default, int | float) else None)
        elif kind == "string" and default in {"auto", "cpu"}:
            yield "cuda"
        elif kind == "array" and "enum" in part.get("items", {}):
            yield from ([value] for value in part["items"]["enum"])
        elif kind == "array" and part.get("items", {}).get("type") in {"integer", "number"}:
            yield [0.5, 0.5]


def _numbers(schema: Schema, default: float | None) -> Iterator[float]:
    start = schema.get("minimum", schema.get("exclusiveMinimum", 0)) if default is None else default
    if schema["type"] == "integer":
        yield from (int(start) + 1, int(start) - 1, 2 * int(start), int(start) + 2)
    else:
        yield from (start + 0.25, start / 2, start + 1.5)
