"""Checks of a graph before anything runs: sorts of edges, languages, routes that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from components.checkpoint_references import split_step
from components.errors import ConfigError
from components.models.adapted_references import split_adapters
from components.nodes.facts import Language
from components.pipeline.graph_steps import GRAPH_STEPS
from components.pipeline.pipeline import DATA, SOURCE, TARGET, Node, Pipeline
from components.stage_settings import table_kinds

AddFault = Callable[[Iterable[str], str], None]
"""Adds a fault at a key of the file."""


def check_graph(pipeline: Pipeline, note: AddFault) -> None:
    """Report every fault of a graph whose nodes are each valid."""
    for node in pipeline:
        _check_inputs(pipeline, node, note)
        if node.facts.numbers or node.facts.thresholds:
            GRAPH_STEPS["numbers"](pipeline, node, note)
        _check_same_language(pipeline, node, note)
        _check_when(pipeline, node, note)
        _check_language(pipeline, node, note)
    _check_routes(pipeline, note)
    for role, name in pipeline.outputs.items():
        if pipeline.nodes[name].output != "text":
            note(("outputs", role), f"outputs.{role}: expected a node that gives text, found {name}")
        elif role == "transcript" and pipeline.language_of(name) == TARGET:
            note(("outputs", role), f"outputs.{role}: expected what was said, found {name}, a translation")


def _check_inputs(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    kind, path = node.kind, ("nodes", node.name, "of")
    fewest, most = kind.inputs
    if not fewest <= len(node.of) <= most:
        number = str(fewest) if fewest == most else f"{fewest} to {most}"
        note(path, f"{node.name}.of: {kind.name} reads {number} nodes, found {len(node.of)}")
    for name in node.of:
        output = pipeline.type_of(name)
        if output not in kind.reads and not (output == "data" and {"speech", "text"} & set(kind.reads)):
            expected = " or ".join(kind.reads) or "nothing"
            note(path, f"{node.name}.of: {kind.name} reads {expected}, found {name}, which gives {output}")
    _check_models(pipeline, node, note)
    makers = table_kinds(kind.settings)
    for role, name in node.facts.tables.items():
        made_by = DATA if name == DATA else pipeline.nodes[name].kind.name
        if pipeline.type_of(name) != "table" or made_by != makers.get(role, made_by):
            expected = f"of kind {makers[role]}" if role in makers else "that gives a table"
            note(
                (*path[:2], role),
                f"{node.name}.{role}: expected a node {expected}, found {name} ({made_by})",
            )
        elif name != DATA:
            try:
                context = pipeline.context_of(node, None, 0)
                kind.check_table(node.settings, context, role, pipeline.nodes[name].settings)
            except ConfigError as error:
                note((*path[:2], role), f"{node.name}: {error}")
    if kind.mode.reads_items and len({pipeline.data_of(name) for name in node.of}) > 1:
        note(path, f"{node.name}.of: expected nodes of one data set, found several in {', '.join(node.of)}")
    if len(set(node.of)) < len(node.of):
        note(path, f"{node.name}.of: expected different nodes, found one twice in {', '.join(node.of)}")
    try:
        kind.check_inputs(node.settings, pipeline.context_of(node, None, 0))
    except ConfigError as error:
        note(path[:2], f"{node.name}: {error}")


def _check_models(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    """Check what the nodes give that make its models."""
    path = ("nodes", node.name)
    for role, reference in node.models.items():
        source = node.tables.get(role)
        if source is not None and pipeline.type_of(source) != "model":
            note(
                (*path, role),
                f"{node.name}: expected a model, found {reference}, which gives {pipeline.type_of(source)}",
            )
        elif source is not None:
            _check_step(node, reference, pipeline.nodes[source].facts.checkpoints, note)


def _check_step(node: Node, reference: str, kept: int, note: AddFault) -> None:
    """Check that a training keeps the checkpoint that is asked of it, as far as that is known before."""
    step = split_step(split_adapters(reference)[0])[1].removeprefix("@")
    if step and (not kept or (step.startswith("-") and int(step) < -kept)):
        note(
            ("nodes", node.name),
            f"{node.name}: expected a checkpoint that {reference.partition('@')[0]} keeps, found {reference} "
            f"and keep_checkpoints {kept}; set keep_checkpoints there",
        )


def _check_same_language(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    """Check kinds whose texts may replace one another; an unknown language is taken to be the right one."""
    if node.kind.language is not Language.SAME:
        return
    codes = dict(zip((SOURCE, TARGET), pipeline.languages, strict=True))
    languages: dict[str, str] = {}
    for name in node.of:
        if pipeline.type_of(name) in ("text", "data"):
            language = pipeline.language_of(name)
            languages.setdefault(codes.get(language) or language, name)
    unknown = {SOURCE, TARGET} & languages.keys()  # either may be any one of the others
    if len(unknown) > 1 or len(languages.keys() - unknown) > 1:
        listing = " and ".join(f"{pipeline.user_name_of(name)} ({code})" for code, name in languages.items())
        note(("nodes", node.name, "of"), f"{node.name}.of: expected texts in one language, found {listing}")


def _check_when(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    if node.when is None:
        return
    name, branch = node.when
    branches = pipeline.nodes[name].facts.branches if name in pipeline.nodes else ()
    if not branches:
        note(("nodes", node.name, "when"), f"{node.name}.when: expected a node that routes, found {name}")
    elif branch not in branches:
        note(
            ("nodes", node.name, "when"),
            f"{node.name}.when: {name} sends utterances to {', '.join(branches)}, none to {branch!r}",
        )


def _check_language(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    """Refuse a translator into the language that it reads, such as the second of two in a row."""
    if not node.translates or not node.of:
        return
    read = pipeline.language_of(node.of[0])
    written = pipeline.language_of(node.name)
    if read == written:
        say = "say to: CODE on the earlier one" if read == TARGET else "say another language"
        note(
            ("nodes", node.name),
            f"{node.name}: expected to translate into another language than {node.of[0]} gives, found "
            f"{'the target language' if read == TARGET else read} for both; {say}",
        )


def _check_routes(pipeline: Pipeline, note: AddFault) -> None:
    used = {node.when[0] for node in pipeline if node.when is not None}
    for node in pipeline:
        if node.output == "table" and node.facts.branches and node.name not in used:
            branches = " or ".join(f"when: {node.name}.{branch}" for branch in node.facts.branches)
            note(("nodes", node.name), f"{node.name}: no node takes this route; add {branches} to a node")


def with_origin(pipeline: Pipeline, node: Node) -> Node:
    """Return the node with ``origin`` set, where its kind looks back to the source of its input."""
    if not node.facts.reads_source or node.translates or not node.of:
        return node
    name = node.of[0]
    while not pipeline.is_data(name) and not pipeline.nodes[name].translates and pipeline.nodes[name].of:
        name = pipeline.nodes[name].of[0]
    if pipeline.is_data(name):
        return node
    texts = [
        input_name
        for input_name in pipeline.nodes[name].of
        if pipeline.type_of(input_name) in ("data", "text")
    ]
    return replace(node, origin=texts[0]) if texts else node
