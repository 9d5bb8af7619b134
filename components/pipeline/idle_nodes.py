"""Nodes that have nothing to do with a data set: removed, or planned without their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from components.nodes.facts import Need
from components.pipeline.pipeline import Node, Pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.reader import read_utterances


def remove_idle_nodes(pipeline: Pipeline, data: Mapping[str, StageRef]) -> Pipeline:
    """Return the pipeline without nodes that leave every utterance of their data set unchanged.

    A synthesizer over recordings is such a node. What reads it reads the data set instead.

    Args:
        pipeline: the graph.
        data: the data sets by name.
    """
    for node in pipeline:
        if node.output != "speech" or node.of[0] not in data:
            continue
        if node.facts.keeps_spoken and all(each.audio for each in read_utterances(data[node.of[0]])):
            return remove_idle_nodes(_bypass(pipeline, node), data)
    return pipeline


def find_idle_nodes(pipeline: Pipeline, data: Mapping[str, StageRef]) -> frozenset[str]:
    """Return the nodes that compute nothing of their data sets, so that their models need not be there.

    Args:
        pipeline: the graph.
        data: the data sets by name.
    """
    idle: set[str] = set()
    for name, ref in data.items():
        if not any(_hears_only(node) and name in node.of for node in pipeline):
            continue  # only what a recognizer leaves alone passes other nodes
        pending = {
            node.name: node for node in pipeline if _may_be_idle(node) and pipeline.data_of(node.name) == name
        }
        for utterance in read_utterances(ref):
            pending = {n: node for n, node in pending.items() if not is_concerned(pipeline, node, utterance)}
            if not pending:
                break
        idle |= pending.keys()
    return frozenset(idle)


def _may_be_idle(node: Node) -> bool:
    return bool(node.of) and (passes(node) or _hears_only(node))


def _hears_only(node: Node) -> bool:
    return "speech" in node.kind.reads and "text" not in node.kind.reads


def passes(node: Node) -> bool:
    """Return whether an utterance that its inputs pass on unchanged passes a node, too."""
    return node.kind.items.need is not Need.ALL


def applies(node: Node, utterance: Utterance) -> bool:
    """Return whether a node computes an utterance; what only hears does not compute one without audio."""
    return utterance.audio is not None or node.kind.mode.is_whole or not _hears_only(node)


def is_concerned(pipeline: Pipeline, node: Node, utterance: Utterance) -> bool:
    """Return whether a node may have something to compute of an utterance of its data set."""
    if node.of and all(map(pipeline.is_data, node.of)):
        return applies(node, utterance) and not (node.facts.keeps_spoken and utterance.audio)
    return not passes(node) or not any(passes_text(pipeline, node, name, utterance) for name in node.of)


def passes_text(pipeline: Pipeline, reader: Node, name: str, utterance: Utterance) -> bool:
    """Return whether a node passes a written utterance on as it is: it recognizes speech only.

    Args:
        pipeline: the graph.
        reader: the node that reads it.
        name: of the node, or of a data set.
        utterance: of the data set.
    """
    if utterance.text is None:
        return False
    if pipeline.is_data(name):
        return "speech" not in reader.kind.reads
    node = pipeline.nodes[name]
    if _hears_only(node) and not node.translates:
        return pipeline.is_data(node.of[0]) and not applies(node, utterance)
    return passes(node) and all(passes_text(pipeline, reader, of, utterance) for of in node.of)


def _bypass(pipeline: Pipeline, idle: Node) -> Pipeline:
    instead = idle.of[0]
    nodes = {
        node.name: replace(
            node,
            of=tuple(instead if name == idle.name else name for name in node.of),
            origin=instead if node.origin == idle.name else node.origin,
        )
        for node in pipeline
        if node.name != idle.name
    }
    return replace(pipeline, nodes=nodes)
