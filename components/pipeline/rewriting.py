"""Pipelines made from pipelines, which attribution, contribution and comparison run instead of the original.

What changes the settings of a node works on the nodes as they are written, which are then read again, so that
a node that stands for several is expanded anew. What only changes who reads whom works on the nodes
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from components.errors import ConfigError
from components.models.adapted_references import replace_parts
from components.pipeline.pipeline import DATA, NODE, Node, Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.written import values_of
from components.stage_settings import markers_of

SEPARATOR = "--"
"""Joins the names of a system and of its node, where several systems are one pipeline."""

# On the nodes as they are written


def replace_nodes(pipeline: Pipeline, changed: Mapping[str, Mapping[str, Any]]) -> Pipeline:
    """Return the pipeline with other values for some written nodes."""
    values = values_of(pipeline)
    values["nodes"] |= {name: dict(node_values) for name, node_values in changed.items()}
    return read_pipeline(values, folder=pipeline.folder)


def update_node(pipeline: Pipeline, name: str, **changes: Any) -> Pipeline:
    """Return the pipeline with some keys of a written node changed; keys that become None are removed."""
    values = {**pipeline.definitions[name], **changes}
    return replace_nodes(pipeline, {name: {key: value for key, value in values.items() if value is not None}})


# On who reads whom


def insert_after(pipeline: Pipeline, name: str, node: Node) -> Pipeline:
    """Return the pipeline with ``node`` read by everyone who read ``name``; what it reads itself stays."""
    names = {name: node.name}
    nodes: dict[str, Node] = {}
    for other in pipeline:
        nodes[other.name] = rename_reads(other, names)
        if other.name == name:
            nodes[node.name] = node
    outputs = {role: names.get(other, other) for role, other in pipeline.outputs.items()}
    return Pipeline(nodes, outputs, pipeline.languages)


def switch_data(pipeline: Pipeline, node: Node) -> Pipeline:
    """Return the pipeline over another data set, given as a ``data`` node."""
    nodes = {reader.name: rename_reads(reader, {DATA: node.name}) for reader in pipeline}
    return Pipeline({node.name: node, **nodes}, pipeline.outputs, pipeline.languages)


def rename_nodes(pipeline: Pipeline, names: Mapping[str, str]) -> Pipeline:
    """Return the pipeline with nodes renamed (old -> new)."""
    nodes = {}
    for node in pipeline:
        name = names.get(node.name, node.name)
        nodes[name] = replace(rename_reads(node, names), name=name)
    outputs = {role: names.get(output, output) for role, output in pipeline.outputs.items()}
    return Pipeline(nodes, outputs, pipeline.languages)


def unite(pipelines: Mapping[str, Pipeline]) -> Pipeline:
    """Unite pipelines over one data set: node NODE of system SYSTEM is ``SYSTEM--NODE``, of "" NODE itself.

    Nodes of one key are computed once, whatever they are called.

    Raises:
        ConfigError: their languages differ, so that they cannot be computed together.
    """
    languages = {pipeline.languages for pipeline in pipelines.values()}
    if len(languages) > 1:
        raise ConfigError(
            f"expected systems of one source and target language, found {sorted(map(str, languages))}"
        )
    nodes: dict[str, Node] = {}
    for system, pipeline in pipelines.items():
        nodes |= rename_nodes(pipeline, names_in_union(system, pipeline)).nodes
    return Pipeline(nodes, {}, languages.pop() if languages else (None, None))


def names_in_union(system: str, pipeline: Pipeline) -> dict[str, str]:
    """Return the name of each node of a system in the union of several."""
    return {name: f"{system}{SEPARATOR}{name}" if system else name for name in pipeline.nodes}


def make_prefixes(systems: Sequence[str]) -> dict[str, str]:
    """Return a distinct prefix of node names for each system, of its letters and digits."""
    prefixes: dict[str, str] = {}
    for system in systems:
        slug = re.sub(r"[^a-z0-9_]+", "-", system.lower()).strip("-")
        slug = slug if re.match("[a-z]", slug) else f"s{slug}"
        used = set(prefixes.values())
        numbered = (f"{slug}-{number}" for number in range(2, len(systems) + 2))
        prefixes[system] = (
            slug if slug not in used else next(candidate for candidate in numbered if candidate not in used)
        )
    return prefixes


def rename_reads(node: Node, names: Mapping[str, str]) -> Node:
    """Return the node with other names for what it reads."""
    return replace(
        node,
        of=tuple(names.get(name, name) for name in node.of),
        when=None if node.when is None else (names.get(node.when[0], node.when[0]), node.when[1]),
        origin=None if node.origin is None else names.get(node.origin, node.origin),
        settings=_rename_in_settings(node, names),
    )


def _rename_in_settings(node: Node, names: Mapping[str, str]) -> BaseModel:
    """Return settings in which the same tables and models have other names."""
    parts = {f"{NODE}{old}": f"{NODE}{new}" for old, new in names.items()}

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return replace_parts(value, parts) if NODE in value else value
        if isinstance(value, Mapping):
            return {key: walk(item) for key, item in value.items()}
        return type(value)(map(walk, value)) if isinstance(value, list | tuple) else value

    values = node.settings.model_dump(exclude_unset=True)
    changed = walk(values)
    for field, marker in markers_of(type(node.settings)).items():  # others may have the same text
        if marker.what == "table" and field in values:
            changed[field] = names.get(changed[field], changed[field])
    return node.settings if changed == values else type(node.settings).model_validate(changed)
