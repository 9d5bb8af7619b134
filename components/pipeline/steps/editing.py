"""Corrections by hand in a pipeline: each node whose texts were corrected is followed by a node ``edit``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.errors import ConfigError
from components.pipeline.node_edit import NodeEdit
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.written import values_of
from components.text.suggestions import suggest

ROLE = "corrections"
"""The setting by which an edit names the node that has its corrections."""
SUFFIX = "-edited"
"""What follows the name of a node in that of its edit."""


def apply_edits(pipeline: Pipeline, edits: Iterable[NodeEdit]) -> Pipeline:
    """Return the pipeline with corrected nodes followed by their edits, which all others read in their place.

    Args:
        pipeline: the graph, as it was read.
        edits: the corrections, in the order in which they were made.

    Raises:
        ConfigError: there is no such node, or it gives no text.
    """
    for edit in edits:
        pipeline = _insert_edit(pipeline, edit)
    return pipeline


def check_editable(pipeline: Pipeline, name: str) -> None:
    """Refuse a node that has no texts to correct.

    Raises:
        ConfigError: in one line, why.
    """
    texts = [node for node in pipeline.definitions if _gives_text(pipeline, node)]
    if name == DATA or name not in {*pipeline.definitions, *pipeline.nodes}:
        raise ConfigError(f"there is no node {name!r} with texts{suggest(name, texts)}")
    if name not in pipeline.definitions:
        whole = pipeline.user_name_of(name).split(".")[0]
        raise ConfigError(
            f"{name}: expected a node as it was written, found a part of {whole}; correct {whole}"
        )
    if name not in texts:
        output = pipeline.type_of(pipeline.aliases.get(name, name))
        raise ConfigError(
            f"{name}: expected a node that gives text, found one that gives {output}{suggest(name, texts)}"
        )


def _gives_text(pipeline: Pipeline, name: str) -> bool:
    return pipeline.type_of(pipeline.aliases.get(name, name)) == "text"


def _insert_edit(pipeline: Pipeline, edit: NodeEdit) -> Pipeline:
    check_editable(pipeline, edit.node)
    edited, corrections = f"{edit.node}{SUFFIX}", f"{edit.node}-{ROLE}"
    values = values_of(pipeline)
    nodes: dict[str, dict[str, Any]] = {}
    for name, definition in values["nodes"].items():
        nodes[name] = redirect_reads(definition, edit.node, edited)
        if name == edit.node:
            nodes[corrections] = {"kind": "edit_from_store", "key": edit.corrections}
            nodes[edited] = {"kind": "edit_from_file", "of": name, ROLE: corrections}
    outputs = {role: edited if name == edit.node else name for role, name in values["outputs"].items()}
    return read_pipeline({**values, "nodes": nodes, "outputs": outputs}, folder=pipeline.folder)


def redirect_reads(definition: Mapping[str, Any], name: str, new: str) -> dict[str, Any]:
    """Return a written node that reads another node in a node's place, and calls it as before.

    Args:
        definition: the node; the nodes of a loop's body are redirected, too.
        name: of the node that it may read.
        new: of the node that it reads instead.
    """
    redirected = dict(definition)
    of = definition.get("of")
    names = [of] if isinstance(of, str) else list(of or ())
    if name in names:
        others = [new if each == name else each for each in names]
        redirected |= {"of": others[0] if isinstance(of, str) else others}
        redirected.setdefault("display_names", names)
    body = definition.get("body")
    if isinstance(body, Mapping) and name not in body:
        redirected["body"] = {part: redirect_reads(values, name, new) for part, values in body.items()}
    return redirected
