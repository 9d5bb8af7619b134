"""Pipelines made of pipelines: what blame, contribution and compare run instead of the graph as it is.

What changes the settings of a node is done on the nodes as they are written and read again, so that a node
that stands for several is expanded anew. What only changes who reads whom is done on the nodes themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from components.errors import ConfigError
from components.pipeline.pipeline import DATA, NODE, Node, Pipeline
from components.pipeline.reader import read_pipeline

SEPARATOR = "--"
"""Between the name of a system and that of its node, where several systems are one pipeline."""

# On the nodes as they are written


def values_of(pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline as plain data, as :func:`~components.pipeline.reader.read_pipeline` takes it."""
    return {
        "nodes": {name: dict(values) for name, values in pipeline.definitions.items()},
        "outputs": {role: definition_of(pipeline, name) for role, name in pipeline.outputs.items()},
        "source_language": pipeline.languages[0],
        "target_language": pipeline.languages[1],
    }


def definition_of(pipeline: Pipeline, name: str) -> str:
    """The written node whose result ``name`` is; ``name`` itself of a node that stands for itself."""
    return next((written for written, last in pipeline.aliases.items() if last == name), name)


def replace_nodes(pipeline: Pipeline, changed: Mapping[str, Mapping[str, Any]]) -> Pipeline:
    """The pipeline with written nodes of other values under their names."""
    values = values_of(pipeline)
    values["nodes"] |= {name: dict(each) for name, each in changed.items()}
    return read_pipeline(values, folder=pipeline.folder)


def update_node(pipeline: Pipeline, name: str, **changes: Any) -> Pipeline:
    """The pipeline with some keys of a written node changed; those that become None go."""
    values = {**pipeline.definitions[name], **changes}
    return replace_nodes(pipeline, {name: {key: value for key, value in values.items() if value is not None}})


# On who reads whom


def insert_after(pipeline: Pipeline, name: str, node: Node) -> Pipeline:
    """The pipeline with ``node``, which everyone reads who read ``name``; what it reads itself stays."""
    names = {name: node.name}
    nodes: dict[str, Node] = {}
    for each in pipeline:
        nodes[each.name] = _rename_reads(each, names)
        if each.name == name:
            nodes[node.name] = node
    outputs = {role: names.get(each, each) for role, each in pipeline.outputs.items()}
    return Pipeline(nodes, outputs, pipeline.languages)


def switch_data(pipeline: Pipeline, node: Node) -> Pipeline:
    """The pipeline over another data set, the ``data`` node ``node``."""
    nodes = {each.name: _rename_reads(each, {DATA: node.name}) for each in pipeline}
    return Pipeline({node.name: node, **nodes}, pipeline.outputs, pipeline.languages)


def rename_nodes(pipeline: Pipeline, names: Mapping[str, str]) -> Pipeline:
    """The pipeline with nodes of other names (old -> new)."""
    nodes = {}
    for node in pipeline:
        name = names.get(node.name, node.name)
        nodes[name] = replace(_rename_reads(node, names), name=name)
    outputs = {role: names.get(each, each) for role, each in pipeline.outputs.items()}
    return Pipeline(nodes, outputs, pipeline.languages)


def unite(pipelines: Mapping[str, Pipeline]) -> Pipeline:
    """Pipelines over one data set as one: node NODE of system SYSTEM is ``SYSTEM--NODE``, of "" NODE itself.

    Nodes of one key are computed once, whatever they are called.

    Raises:
        ConfigError: their languages differ, so that they cannot be computed at one site.
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
    """The name of each node of a system in the union of several."""
    return {name: f"{system}{SEPARATOR}{name}" if system else name for name in pipeline.nodes}


def make_prefixes(systems: Sequence[str]) -> dict[str, str]:
    """A prefix of node names for each system, of its letters and digits; different for each."""
    found: dict[str, str] = {}
    for system in systems:
        slug = re.sub(r"[^a-z0-9_]+", "-", system.lower()).strip("-")
        slug = slug if re.match("[a-z]", slug) else f"s{slug}"
        taken = set(found.values())
        numbered = (f"{slug}-{number}" for number in range(2, len(systems) + 2))
        found[system] = slug if slug not in taken else next(each for each in numbered if each not in taken)
    return found


def _rename_reads(node: Node, names: Mapping[str, str]) -> Node:
    """The node reading under other names what it read."""
    return replace(
        node,
        of=tuple(names.get(each, each) for each in node.of),
        when=None if node.when is None else (names.get(node.when[0], node.when[0]), node.when[1]),
        origin=None if node.origin is None else names.get(node.origin, node.origin),
        settings=_rename_in_settings(node, names),
    )


def _rename_in_settings(node: Node, names: Mapping[str, str]) -> BaseModel:
    """Settings that name the same tables and models under their other names."""
    tables = set(node.kind.tables(node.settings).values())

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            if value.startswith(NODE):
                made = value.removeprefix(NODE)
                return NODE + names.get(made, made)
            return names.get(value, value) if value in tables else value
        if isinstance(value, Mapping):
            return {key: walk(each) for key, each in value.items()}
        return type(value)(map(walk, value)) if isinstance(value, list | tuple) else value

    values = node.settings.model_dump(exclude_unset=True)
    changed = walk(values)
    return node.settings if changed == values else type(node.settings).model_validate(changed)
