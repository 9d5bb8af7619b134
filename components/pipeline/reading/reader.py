"""Reading a written pipeline; every fault of its nodes and its graph is one line with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.errors import ConfigError
from components.files.yaml_text import Places
from components.models.adapted_references import replace_references
from components.nodes.facts import Language
from components.nodes.kind import KINDS, Kind
from components.pipeline import checks
from components.pipeline.graph_steps import DEV_KEYS, GRAPH_STEPS
from components.pipeline.pipeline import DATA, NODE, TARGET, Node, Pipeline, outputs_of
from components.pipeline.reading.defaults import apply_defaults
from components.pipeline.reading.faults import Faults
from components.pipeline.reading.systems import split_systems
from components.pipeline.resources import Resources
from components.stage_settings import table_from_dev
from components.text.suggestions import suggest
from components.text.validation_faults import describe_value_fault, list_faults

COMMON_KEYS = ("kind", "of", "when", "to", "resources", "display_names")
"""Keys that every kind of node has; the others are its kind's settings. Users do not write the last one."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
KEYS = ("nodes", "outputs", "defaults", "source_language", "target_language")
"""The keys of a graph; a file may have a flow's other parameters beside them."""


def read_pipeline(
    values: Mapping[str, Any], where: str = "", lines: Places | None = None, folder: Path = Path()
) -> Pipeline:
    """Read the pipeline that plain values describe.

    Args:
        values: ``nodes``, ``outputs``, ``defaults`` and languages.
        where: the file, for messages.
        lines: where the file's keys stand.
        folder: where the files that nodes name lie.

    Raises:
        ConfigError: every fault of every node, a line each.
    """
    faults = Faults(where, lines or {})
    for key in values:
        if key not in KEYS:
            faults.add((key,), f"{key}: no such part of a pipeline{suggest(key, KEYS)}")
    faults.raise_if_any()
    nodes = split_systems(values.get("nodes"), faults)
    written = apply_defaults(nodes, values.get("defaults") or {}, faults)
    faults.raise_if_any()
    if any("bags" in node for node in written.values()):
        written = GRAPH_STEPS["bags"](written, faults)
        faults.raise_if_any()
    learning = GRAPH_STEPS["development"](written, faults) if _has_own_data(written) else written
    expanded, aliases = _expand(learning, faults)
    drafts = {
        name: _read_node(name, written_node, aliases, faults, folder)
        for name, written_node in expanded.items()
    }
    faults.raise_if_any()
    ordered = _sort_nodes({name: node for name, node in drafts.items() if node is not None}, faults)
    faults.raise_if_any()
    languages = (values.get("source_language"), values.get("target_language"))
    pipeline = Pipeline(ordered, {}, languages, aliases, written, faults.source_keys, folder)
    pipeline = replace(pipeline, nodes={n: checks.with_origin(pipeline, node) for n, node in ordered.items()})
    pipeline = replace(pipeline, outputs=_read_outputs(pipeline, values.get("outputs") or {}, faults))
    checks.check_graph(pipeline, faults.add)
    faults.raise_if_any()
    return pipeline


def _has_own_data(written: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a node says of a data set of its own what it learns or reads there."""
    kinds = [KINDS.get(str(values.get("kind"))) for values in written.values()]
    reads_more = any(kind is not None and type(kind).extra_data is not Kind.extra_data for kind in kinds)
    return reads_more or any(set(DEV_KEYS) & set(values) for values in written.values())


def _expand(
    written: Mapping[str, dict[str, Any]], faults: Faults
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Replace nodes that stand for several by these; also return the names of their results."""
    expanded: dict[str, dict[str, Any]] = {}
    aliases: dict[str, str] = {}
    pending = list(written.items())
    while pending:
        name, values = pending.pop(0)
        kind = KINDS.get(str(values.get("kind")))
        try:
            own = {key: value for key, value in values.items() if key not in ("display_names", "resources")}
            several = kind.expand(name, own) if kind is not None else None
        except (ConfigError, ValidationError) as error:
            _add_faults(name, kind, error, faults)
            continue
        if several is None:
            if name in expanded:
                fault = f"expected one node {name}, found that and a round of its name; rename one"
                faults.add(("nodes", name), fault)
            expanded[name] = values
            continue
        for part, part_values in several.items():
            faults.source_keys.setdefault(
                part, part_values.pop("written", faults.source_keys.get(name, ("nodes", name)))
            )
            part_kind = KINDS.get(str(part_values.get("kind")))
            if "resources" in values and part_kind is not None and not part_kind.mode.is_whole:
                part_values.setdefault("resources", values["resources"])
        last = list(several)[-1]
        aliases |= {name: last} if last != name else {}
        pending = [*several.items(), *pending]
    return expanded, aliases


def _read_node(
    name: str, values: Mapping[str, Any], aliases: Mapping[str, str], faults: Faults, folder: Path
) -> Node | None:
    """Read one node; None where it has a fault that leaves nothing to check further."""
    kind = _find_kind(name, values, faults)
    if kind is None:
        return None
    try:
        settings = kind.settings.model_validate({k: v for k, v in values.items() if k not in COMMON_KEYS})
        resources = _read_resources(name, values, kind, faults)
    except ValidationError as error:
        _add_faults(name, kind, error, faults)
        return None
    inputs = _read_inputs(name, values, kind, faults)
    if inputs is None:
        return None
    display_names = values.get("display_names", inputs)
    if not isinstance(display_names, list | tuple) or len(display_names) != len(inputs):  # written by a user
        faults.add(("nodes", name, "display_names"), f"{name}.called: {kind.name} has no such setting")
        return None
    to, when = _read_target(name, values, kind, faults), values.get("when")
    if when is not None and (not isinstance(when, str) or when.count(".") != 1):
        faults.add(("nodes", name, "when"), f"{name}.when: expected NODE.BRANCH, found {when!r}")
        return None
    branch = tuple(when.split(".")) if when else None
    renamed = {f"{NODE}{old}": f"{NODE}{new}" for old, new in aliases.items()}
    return Node(
        name=name,
        kind=kind,
        settings=kind.resolve_paths(replace_references(settings, renamed), folder),
        of=tuple(aliases.get(input_name, input_name) for input_name in inputs),
        when=None if branch is None else (aliases.get(branch[0], branch[0]), branch[1]),
        to=None if to == TARGET else to,
        display_names=tuple(display_names),
        translates=kind.language is Language.WRITTEN or to is not None,
        values=dict(values),
        resources=resources,
    )


def _read_resources(name: str, values: Mapping[str, Any], kind: Kind[Any], faults: Faults) -> Resources:
    """Read what a node's workers need; nothing where that is wrong or has no meaning for its kind."""
    written = values.get("resources")
    if written is None:
        return Resources()
    where = ("nodes", name, "resources")
    if kind.mode.is_whole and "resources" in values:
        faults.add(where, f"{name}.resources: {kind.name} is computed in one piece, where the run is")
        return Resources()
    try:
        return Resources.model_validate(written)
    except ValidationError as error:
        for fault in error.errors():
            path = tuple(map(str, fault["loc"]))
            if fault["type"] == "extra_forbidden":
                text = f"no such resource{suggest(path[-1], Resources.model_fields)}"
            else:
                text = describe_value_fault(dict(fault))
            faults.add((*where, *path[:1]), f"{'.'.join((name, 'resources', *path[:1]))}: {text}")
    return Resources()


def _find_kind(name: str, values: Mapping[str, Any], faults: Faults) -> Kind[Any] | None:
    path = ("nodes", name)
    if not _NAME.fullmatch(name) or name == DATA:
        faults.add(path, f"{name}: expected a name of a-z, 0-9, '-' and '_' (not 'data'), found {name!r}")
        return None
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        kind_name = values.get("kind")
        near = suggest(str(kind_name), KINDS) if kind_name else f"; known: {', '.join(KINDS)}"
        faults.add((*path, "kind"), f"{name}: no such kind of node: {kind_name!r}{near}")
    return kind


def _read_inputs(
    name: str, values: Mapping[str, Any], kind: Kind[Any], faults: Faults
) -> tuple[str, ...] | None:
    of = values.get("of", DATA if kind.inputs[1] else ())
    inputs = (of,) if isinstance(of, str) else tuple(of) if isinstance(of, list | tuple) else None
    if inputs is None or not all(isinstance(input_name, str) for input_name in inputs):
        faults.add(("nodes", name, "of"), f"{name}.of: expected a node or a list of nodes, found {of!r}")
        return None
    return inputs


def _read_target(name: str, values: Mapping[str, Any], kind: Kind[Any], faults: Faults) -> Any:
    to = values.get("to")
    may_translate = kind.language in (Language.WRITTEN, Language.MAY_BE_WRITTEN)
    if to is not None and not (may_translate and isinstance(to, str)):
        hint = "expected a language code" if may_translate else f"{kind.name} does not translate"
        faults.add(("nodes", name, "to"), f"{name}.to: {hint}, found {to!r}")
    return to


def _add_faults(
    name: str, kind: Kind[Any] | None, error: ConfigError | ValidationError, faults: Faults
) -> None:
    """Add the faults of a node's settings."""
    if isinstance(error, ConfigError):
        faults.add(("nodes", name), f"{name}: {error}")
        return
    for fault in list_faults(error):
        path = tuple(map(str, fault["loc"]))
        where = ("nodes", name, *path)
        setting = ".".join((name, *path))
        if fault["type"] == "extra_forbidden" and kind is not None:
            common = [*COMMON_KEYS[:-1], *(DEV_KEYS if table_from_dev(kind.settings) else ())]
            hint = suggest(path[-1], [*common, *kind.settings.model_fields]) if len(path) == 1 else ""
            what = "does not translate" if path == ("to",) else f"has no such setting{hint}"
            faults.add(where, f"{setting}: {kind.name} {what}")
            continue
        faults.add(where, f"{setting}: {describe_value_fault(dict(fault))}")


def _sort_nodes(nodes: Mapping[str, Node], faults: Faults) -> dict[str, Node]:
    """Order nodes so that each comes after those that it reads, else as in the file."""
    written = {name: faults.source_keys.get(name, (name,))[-1] for name in nodes}
    for node in nodes.values():
        for role, name in node.reads.items():
            if name not in nodes and name != DATA:
                others = dict.fromkeys(own for own in written.values() if own != written[node.name])
                near = suggest(name, [DATA, *others])
                key = "of" if role.startswith("of") else role
                faults.add(("nodes", node.name, key), f"{node.name}: there is no node {name!r}{near}")
    if faults.messages:
        return {}
    ordered: dict[str, Node] = {}
    while len(ordered) < len(nodes):
        ready = [
            node
            for node in nodes.values()
            if node.name not in ordered and all(r in ordered or r == DATA for r in node.reads.values())
        ]
        if not ready:
            circle = [name for name in nodes if name not in ordered]
            faults.add(
                ("nodes", circle[0]), f"{', '.join(circle)}: expected no circle, but these read each other"
            )
            return {}
        ordered[ready[0].name] = ready[0]
    return ordered


def _read_outputs(pipeline: Pipeline, values: Any, faults: Faults) -> dict[str, str]:
    if not isinstance(values, Mapping):
        faults.add(
            ("outputs",), f"outputs: expected {{transcript: NODE, translation: NODE}}, found {values!r}"
        )
        return {}
    outputs = {}
    for role, name in values.items():
        path = ("outputs", str(role))
        if role not in ("transcript", "translation"):
            faults.add(
                path, f"outputs.{role}: no such output{suggest(str(role), ('transcript', 'translation'))}"
            )
        elif not isinstance(name, str):
            faults.add(path, f"outputs.{role}: expected one node, found {name!r}; two would write one output")
        elif pipeline.aliases.get(name, name) not in pipeline.nodes:
            faults.add(path, f"outputs.{role}: there is no node {name!r}{suggest(name, pipeline.nodes)}")
        else:
            outputs[str(role)] = pipeline.aliases.get(name, name)
    return outputs_of(replace(pipeline, outputs=outputs), pipeline.nodes)
