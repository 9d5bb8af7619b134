"""Finished stages of records, written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.data.dataset import content_digest
from components.files.canonical_json import digest_of
from components.records import NodeOutcome, Quarantined, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import (
    ShardHeader,
    encode_outcome,
    encode_outcomes,
    shard_key,
    shard_name,
)
from components.storage.stages.reader import read_entries
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store


def written(
    store: Store,
    stage: StagePlan | str,
    good: Iterable[NodeOutcome] = (),
    bad: Iterable[Quarantined] = (),
    *,
    size: int | None = None,
    keys: Sequence[str] = (),
    read: Mapping[str, str] | None = None,
    **header: Any,
) -> StageRef:
    """Return the finished stage of these outcomes, reused where it is stored.

    Args:
        store: where.
        stage: its plan, or the name of one that says nothing else.
        good: its outcomes.
        bad: what could not be processed; it comes last.
        size: outcomes of a shard; None for one shard.
        keys: of the shards of a plan that states them; the first has all outcomes.
        read: digests of the stages that it reads, by role.
        header: further fields of the headers of its shards.
    """
    plan, shards = encoded(stage, [*good, *bad], size=size, keys=keys, **header)
    store.mark_layout()
    if (ref := store.find_stage(plan, read)) is not None:
        return ref
    store.backend.uses.note(plan.fingerprint)
    return finish_stage(store, plan, [store.add_shard(*shard) for shard in shards], read or {})


def encoded(
    stage: StagePlan | str,
    outcomes: Sequence[NodeOutcome],
    *,
    size: int | None = None,
    keys: Sequence[str] = (),
    **header: Any,
) -> tuple[StagePlan, list[tuple[ShardHeader, bytes]]]:
    """Return the plan of a stage of records, and its shards; see :func:`written`."""
    plan = StagePlan(stage=stage, version="1") if isinstance(stage, str) else stage
    size = size or max(len(outcomes), 1)
    pieces = [outcomes[start : start + size] for start in range(0, len(outcomes), size)]
    if keys:
        pieces = [outcomes, *([] for _ in keys[1:])]
    shards = [
        encode_piece(plan, piece, key, **header)
        for piece, key in zip(pieces, keys or [""] * len(pieces), strict=True)
    ]
    return plan if keys else plan.with_shards(each.key for each, _ in shards), shards


def encode_piece(
    plan: StagePlan, outcomes: Sequence[NodeOutcome], key: str = "", **header: Any
) -> tuple[ShardHeader, bytes]:
    """Return the header and the bytes of a shard; its key follows from its outcomes unless it is given."""
    key = key or shard_key(plan.fingerprint, {"records": digest_of(list(map(encode_outcome, outcomes)))})
    good = [outcome for outcome in outcomes if isinstance(outcome, Utterance)]
    bad = [outcome for outcome in outcomes if isinstance(outcome, Quarantined)]
    if good and not plan.kind:
        header = {"content": content_digest(good, bad), **header}
    if "read_" in header:  # of each shard; ``read`` is the stage's
        header["read"] = header.pop("read_")
    values = {"seconds": 1.0, "peak_memory_bytes": 7, **header}
    return encode_outcomes(
        outcomes, key=key, stage=plan.stage, kind=plan.kind, fingerprint=plan.fingerprint, **values
    )


def shard_paths(stage: str | Path) -> list[Path]:
    """Return the files of the shards of the finished stage in a folder."""
    folder = Path(stage)
    entries = read_entries(folder, folder.name)
    return [folder.parents[1] / shard_name(shard.key) for shard in entries]


def lines_at(stage: str | Path) -> list[bytes]:
    """Return the outcomes of the finished stage in a folder, and what could not be processed, as stored."""
    return [line for path in shard_paths(stage) for line in path.read_bytes().split(b"\n")[1:-1]]
