"""Corrections in the store: a stage of their own, so that the edited file is not needed any more."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from components.editing.correction import (
    CORRECTIONS,
    Correction,
    encode_corrections,
    read_stored_corrections,
    write_corrections,
)
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store

KIND = "edit_from_store"
VERSION = 1
"""Version of the file of corrections."""


def store_corrections(
    store: Store, node: str, corrections: Sequence[Correction], earlier: str | None
) -> StageRef:
    """Store corrections of a node's texts and return their stage.

    Args:
        store: where.
        node: the name of the node.
        corrections: the new ones.
        earlier: key of the corrections that these add to; of two of one utterance the later counts.
    """
    every = [*read_corrections_of(store, earlier), *corrections]
    digest = sha256(encode_corrections(every)).hexdigest()
    plan = StagePlan(
        stage=f"{node}-{KIND}",
        kind=KIND,
        version=str(VERSION),
        inputs={KIND: digest},
        numerics={},
    )

    def write(folder: Path) -> StageFiles:
        write_corrections(folder, every)
        return StageFiles([CORRECTIONS], items=len({each.id for each in every}))

    return compute_once(store, plan, write)


def read_corrections_of(store: Store, key: str | None) -> list[Correction]:
    """Return the corrections of a stage by its key, the oldest first; none without a key.

    Raises:
        StoreError: there is no such stage, or it is damaged.
    """
    if key is None:
        return []
    store.load_plan(key)
    return read_stored_corrections(store.stage_folder(key))
