"""The items of one shard of a node, read from the shards and stages that the node reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from components.nodes.node_context import DataType, Item
from components.pipeline.items.item_gatherer import RECORDS, ItemGatherer, id_of
from components.records import NBest, NodeOutcome, Route, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import parse_refused
from components.storage.stages.reader import read_shard, resolve_audio_path, store_of
from components.storage.stages.stored_records import StoredRecords


class ShardSource(NamedTuple):
    """Where outcomes are that a shard reads: in a shard, or in a stage made in one piece."""

    key: str = ""
    stage: StageRef | None = None


def read_items(
    store: Path, gatherer: ItemGatherer, data: str, sources: Mapping[str, ShardSource]
) -> list[Item]:
    """Return the items that a node computes of one shard of its data set.

    Args:
        store: folder of the store, or of its copy here.
        gatherer: of the node.
        data: key of the shard of the data set.
        sources: node -> where its outcomes are; a node that gave nothing is not there.
    """
    folder = store / "stages"
    utterances = [
        resolve_audio_path(Utterance.model_validate_json(line), folder, store)
        for ok, line in read_shard(store, data)
        if ok
    ]
    outcomes = {
        name: _read_outcomes(store, gatherer, name, source, utterances) for name, source in sources.items()
    }
    return gatherer.gather(utterances, outcomes)


def _read_outcomes(
    store: Path, gatherer: ItemGatherer, name: str, source: ShardSource, utterances: Sequence[Utterance]
) -> dict[str, NodeOutcome]:
    record = RECORDS[gatherer.output_of(name)]
    if source.stage is not None:
        return read_outcomes(source.stage, gatherer.output_of(name), utterances)
    found = (
        record.model_validate_json(line) if ok else parse_refused(line)
        for ok, line in read_shard(store, source.key)
    )
    return _by_id(found, store / "stages", store)


def read_outcomes(ref: StageRef, output: DataType, utterances: Iterable[Utterance]) -> dict[str, NodeOutcome]:
    """Return the outcomes that a finished stage has of utterances, by their ids."""
    stored = _open_stage(ref.model_dump_json(), RECORDS[output])
    found = (stored[each.id] for each in utterances if each.id in stored)
    return _by_id(found, Path(ref.path), store_of(ref))


def _by_id(outcomes: Iterable[NodeOutcome], folder: Path, store: Path) -> dict[str, NodeOutcome]:
    return {
        id_of(outcome): resolve_audio_path(outcome, folder, store)
        if isinstance(outcome, Utterance)
        else outcome
        for outcome in outcomes
    }


@lru_cache(maxsize=8)
def _open_stage(ref: str, record: type[NBest] | type[Route] | type[Utterance]) -> StoredRecords[Any]:
    """Open the records of a stage, whose reference is given as JSON; they are indexed once."""
    return StoredRecords(StageRef.model_validate_json(ref), record)
