"""Removal of nodes that have nothing to do with a data set, as if they had not been written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from components.pipeline.pipeline import Node, Pipeline
from components.run_record import StageRef
from components.storage.reader import read_utterances


def remove_idle_nodes(pipeline: Pipeline, data: Mapping[str, StageRef]) -> Pipeline:
    """Return the pipeline without nodes that leave every utterance of their data set unchanged.

    A synthesizer over recordings is such a node. What reads it reads the data set instead.

    Args:
        pipeline: the graph.
        data: the data sets by name.
    """
    for node in pipeline:
        if node.gives != "speech" or node.of[0] not in data:
            continue
        if all(map(node.kind.leaves_unchanged, read_utterances(data[node.of[0]]))):
            return remove_idle_nodes(_bypass(pipeline, node), data)
    return pipeline


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
