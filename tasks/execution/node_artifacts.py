"""Artifacts of a finished node: examples beside what it read and their references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from components.pipeline.item_gatherer import id_of
from components.pipeline.pipeline import SOURCE, TARGET, Node, Pipeline
from components.records import NBest, Utterance
from components.run_record import StageRef
from components.storage.reader import read_nbests, read_utterances
from tasks.artifacts import (
    LookUp,
    SourceAndReference,
    publish_examples,
    publish_extras,
    publish_stage,
    publish_ways,
)

R = TypeVar("R", NBest, Utterance)


def publish_node(
    pipeline: Pipeline, node: Node, ref: StageRef, data: Mapping[str, StageRef], read: StageRef | None
) -> None:
    """Publish a stage of a pipeline.

    Args:
        pipeline: the graph.
        node: whose stage it is.
        ref: the stage.
        data: the data sets by name.
        read: the first of the texts that it reads, if it reads any.
    """
    if node.gives == "text":
        publish_examples(ref, _make_look_up(pipeline, node, data[pipeline.data_of(node.name)], read))
    elif node.gives == "table" and not node.kind.whole:
        publish_ways(ref)
    else:
        publish_stage(ref)
        publish_extras(ref)


def _make_look_up(pipeline: Pipeline, node: Node, data: StageRef, read: StageRef | None) -> LookUp:
    def look_up(ids: Sequence[str]) -> dict[str, SourceAndReference]:
        texts = (
            {}
            if read is None
            else {record.utterance_id: record.best.text for record in _select(read_nbests(read), ids)}
        )
        return {
            record.id: SourceAndReference(
                texts.get(record.id) or _source_of(record), _reference_of(pipeline, node, record)
            )
            for record in _select(read_utterances(data), ids)
        }

    return look_up


def _select(records: Iterable[R], ids: Sequence[str]) -> Iterator[R]:
    """Yield the records of some utterances; nothing is read beyond the last of them."""
    left = set(ids)
    for record in records:
        if not left:
            return
        if id_of(record) in left:
            left.discard(id_of(record))
            yield record


def _source_of(utterance: Utterance) -> str:
    if utterance.text is not None:
        return utterance.text
    return f"speech, {utterance.audio.seconds:.1f} s" if utterance.audio else ""


def _reference_of(pipeline: Pipeline, node: Node, utterance: Utterance) -> str:
    """Return what the node's text should be, where the data have it in its language; else ""."""
    language = pipeline.language_of(node.name)
    if language == SOURCE:
        return utterance.transcript or ""
    target = utterance.target_language or pipeline.languages[1]
    return utterance.references[0] if utterance.references and language in (TARGET, target) else ""
