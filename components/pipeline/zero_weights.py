"""Inputs of weight zero are not run: a node that gives its first systems no vote needs nothing of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from components import models
from components.errors import AntiphonError
from components.pipeline.pipeline import Node, Pipeline
from components.storage.store import Store


class Unrun(NamedTuple):
    """A node that is not run, and the one in which its weight is zero."""

    node: Node
    reader: str


def drop_zero_weights(pipeline: Pipeline) -> tuple[Pipeline, tuple[Unrun, ...]]:
    """Return the pipeline without inputs of weight zero, and the nodes that nothing needs then.

    A node stays that is read elsewhere or is an output of the pipeline.
    """
    nodes, readers = dict(pipeline.nodes), dict[str, str]()
    for node in pipeline:
        weights = node.facts.weights
        if 0.0 not in weights or len(weights) != len(node.of) or not any(weights):
            continue
        kept = [number for number, weight in enumerate(weights) if weight]
        readers |= {node.of[number]: node.name for number, weight in enumerate(weights) if not weight}
        nodes[node.name] = replace(
            node,
            of=tuple(node.of[number] for number in kept),
            display_names=tuple(node.display_names[number] for number in kept),
            settings=node.settings.model_copy(update={"weights": tuple(weights[number] for number in kept)}),
        )
    unrun: dict[str, Unrun] = {}
    pending = list(readers)
    while pending:
        name = pending.pop()
        is_read = any(name in node.reads.values() for node in nodes.values())
        if name not in nodes or is_read or name in pipeline.outputs.values():
            continue
        node = nodes.pop(name)
        unrun[name] = Unrun(node, readers[name])
        readers |= {above: readers[name] for above in node.reads.values() if above not in readers}
        pending += node.reads.values()
    return replace(pipeline, nodes=nodes), tuple(unrun.values())


def describe_unrun(unrun: tuple[Unrun, ...], items: int, store: Store) -> list[str]:
    """Return a line for each node that was not run, with the seconds that its like took here before.

    Args:
        unrun: the nodes.
        items: utterances of the data set.
        store: where past stages are looked up.
    """
    from components.pipeline.advice.forecast import past_seconds_of  # noqa: PLC0415 - few graphs need it

    lines = []
    for node, reader in unrun:
        seconds = past_seconds_of(node.kind.name, _digests_of(node, store), store)
        saved = f"{items} utterances of {node.kind.name}"
        if seconds is not None:
            saved = f"about {seconds * items:.1f} s"
        lines.append(f"{node.name}: not run, as its weight in {reader} is 0; saved {saved}")
    return lines


def _digests_of(node: Node, store: Store) -> Mapping[str, str]:
    """Return the digests of a node's models; none where one is made by another node, or is not there."""
    from components.models.weight_digests import resolve_weight_digests  # noqa: PLC0415 - reads models' files

    try:
        for reference in node.models.values():
            models.check(reference, store.backend.url)
        return {} if node.model_nodes else resolve_weight_digests(node.models, store.backend.url)
    except AntiphonError:
        return {}
