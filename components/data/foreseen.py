"""A data set as far as it is known without opening audio: what a plan shows before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from components.audio.probing import Stretch, recall_all
from components.compute.profiling import Cost
from components.data.cutting import UNKNOWN_SECONDS, cut_shards
from components.data.dataset import Row
from components.data.row_building import build_row, locate_rows
from components.data.row_reader import DraftedRow
from components.data.stage import Languages, finish_data, open_rows, store_shard
from components.errors import DataError
from components.records import Audio
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store


def foresee_data(
    source: str | None, audio: str | None, languages: Languages, limit: int | None, store: Store
) -> tuple[StageRef, int]:
    """Return the stage of a data set as far as it is known without opening audio, and the rows that are not.

    It opens, fetches and asks nothing. Shards of rows that were all looked at are those of a run.

    Args:
        source: the data set, or None for recordings.
        audio: the recordings.
        languages: source and target language, where they are set.
        limit: takes the first records only.
        store: one for this alone, to be thrown away.

    Raises:
        DataError: nothing usable in it.
    """
    headers, unseen = list[ShardHeader](), 0
    for shard in cut_shards(open_rows(source, audio, languages, limit).rows):
        rows, count = _foresee_rows(shard)
        headers.append(store_shard(rows, store))
        unseen += count
    if not headers:
        raise DataError(f"{source or audio}: expected at least one utterance, found none")
    return finish_data(store, headers, Cost()), unseen


def _foresee_rows(drafted: Sequence[DraftedRow]) -> tuple[list[Row], int]:
    """Return the outcomes of rows as far as they are known without opening audio or asking a server.

    Returns:
        The rows, in which audio that was not looked at yet has the length that its manifest states, and how
        many these are.
    """
    located, stretches = locate_rows(drafted)
    recalled = dict(zip(stretches, recall_all(list(stretches.values())), strict=True))
    unseen = {key for key, sound in recalled.items() if sound is None}
    stated = {row.id: row.draft.sha256 for row in drafted if row.draft is not None}
    sounds = {
        key: _placeholder(stretches[key], stated[key]) if sound is None else sound
        for key, sound in recalled.items()
    }
    rows = [Row(build_row(row, located.get(row.id), sounds.get(row.id)), row.cut) for row in drafted]
    return rows, len(unseen)


def _placeholder(stretch: Stretch, sha256: str | None) -> Audio:
    seconds = stretch.duration or UNKNOWN_SECONDS
    digest = sha256.lower() if sha256 else "0" * 64
    return Audio(path=str(stretch.location), sha256=digest, seconds=seconds, sample_rate=1)
