"""Nodes that have nothing to do with a data set: removed, or planned without their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from components.nodes.facts import Need
from components.pipeline.pipeline import Node, Pipeline
from components.run_record import StageRef
from components.storage.shards.tallies import UtteranceProfile
from components.storage.stages.reader import profiles_of


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
        if node.facts.keeps_spoken and all(profile.has_audio for profile in profiles_of(data[node.of[0]])):
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
        readers = [node for node in pipeline if node.of and (passes(node) or _hears_only(node))]
        own = [node for node in readers if pipeline.data_of(node.name) == name]
        profiles = profiles_of(ref)
        idle |= {node.name for node in own if not any(is_concerned(pipeline, node, p) for p in profiles)}
    return frozenset(idle)


def _hears_only(node: Node) -> bool:
    return "speech" in node.kind.reads and "text" not in node.kind.reads


def passes(node: Node) -> bool:
    """Return whether an utterance that its inputs pass on unchanged passes a node, too."""
    return node.kind.items.need is not Need.ALL


def applies(node: Node, profile: UtteranceProfile) -> bool:
    """Return whether a node computes an utterance; what only hears does not compute one without audio."""
    return profile.has_audio or node.kind.mode.is_whole or not _hears_only(node)


def is_concerned(pipeline: Pipeline, node: Node, profile: UtteranceProfile) -> bool:
    """Return whether a node may have something to compute of an utterance of its data set."""
    if all(map(pipeline.is_data, node.of)):
        return applies(node, profile) and not (node.facts.keeps_spoken and profile.has_audio)
    return not is_passed_by(pipeline, node, profile)


def is_passed_by(pipeline: Pipeline, node: Node, profile: UtteranceProfile) -> bool:
    """Return whether a node passes a written utterance on, as one of its texts, or each of those it needs."""
    texts = (name for name in node.of if pipeline.is_data(name) or pipeline.type_of(name) == "text")
    passed = (passes_text(pipeline, node, name, profile) for name in texts)
    return passes(node) and (all(passed) if node.kind.items.need is Need.ANY else any(passed))


def passes_text(pipeline: Pipeline, reader: Node, name: str, profile: UtteranceProfile) -> bool:
    """Return whether a node passes a written utterance on as it is: it recognizes speech only.

    Args:
        pipeline: the graph.
        reader: the node that reads it.
        name: of the node, or of a data set.
        profile: of the utterance.
    """
    if not profile.has_text:
        return False
    if pipeline.is_data(name):
        return "speech" not in reader.kind.reads
    node = pipeline.nodes[name]
    if _hears_only(node) and not node.translates:
        return pipeline.is_data(node.of[0]) and not applies(node, profile)
    return is_passed_by(pipeline, node, profile)


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
