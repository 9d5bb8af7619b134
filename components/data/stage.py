"""The ``data`` stage: a manifest, a named set or recordings, written to the store as utterances."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from components.compute.profiling import Cost, measure_cost
from components.data.changes import refuse_changes
from components.data.cutting import SIZES, cut_shards
from components.data.dataset import STAGE, Row, content_digest, row_of, split_records
from components.data.folds import parse_fold
from components.data.loading import OpenedSet, open_audio, open_set
from components.data.row_building import build_rows
from components.data.row_reader import DraftedRow
from components.errors import ConfigError, DataError
from components.extensions import Extensions, accept_any
from components.files.canonical_json import digest_of
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader, encode_outcome, encode_outcomes, shard_key
from components.storage.stages.reader import read_utterances
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store

_THREADS = 8
"""That open audio, which waits for disks and servers more than it computes."""
_PLAN = StagePlan(stage=STAGE, version="data/3")
MEMORY: Extensions[Any] = Extensions("antiphon.data_memory", "memory of data sets", accept_any)
"""``sets`` and ``shards``: what they gave before; without them every line is read and checked again."""
Languages = tuple[str | None, str | None]


class BuiltShard(NamedTuple):
    """A stored shard of a data set, and whether any of its rows names audio."""

    header: ShardHeader
    has_audio: bool


DataShards = Iterable[list[DraftedRow] | ShardHeader]
"""Of a data set, in order: rows, or the header of what is stored."""
Builder = Callable[[DataShards, Store], Iterator[BuiltShard]]
"""Opens, checks and stores rows, shard by shard, and yields the shards in order."""


def store_data(
    source: str | None,
    audio: str | None,
    languages: Languages,
    limit: int | None,
    store: Store,
    build: Builder | None = None,
) -> StageRef:
    """Read and check a data set (or recordings) and keep its utterances; the finished stage.

    Args:
        source: the data set, or None for recordings.
        audio: the recordings.
        languages: source and target language, where they are set.
        limit: takes the first records only.
        store: where.
        build: opens the rows; threads of this process by default.

    Raises:
        ConfigError: both or neither of ``source`` and ``audio`` were given.
        DataError: nothing usable in it.
    """
    opened = open_rows(source, audio, languages, limit)
    options = {"languages": languages, "limit": limit, "version": _PLAN.version, "cuts": SIZES}
    remembered = None
    if source is not None and "sets" in MEMORY:
        remembered = MEMORY["sets"](source, options, store)
    if remembered is not None and (known := remembered.recall()) is not None:
        ref: StageRef = known
        return ref
    store.backend.uses.note(_PLAN.fingerprint)  # before a shard is looked for
    is_whole = source is not None and limit is None and parse_fold(source) is None
    memory = MEMORY["shards"](source, options, store) if is_whole and "shards" in MEMORY else None
    spoken = False
    with measure_cost() as cost, refuse_changes(source):
        headers = list[ShardHeader]()
        shards = cut_shards(opened.rows) if memory is None else memory.cut(opened)
        for built in (build or build_shards)(shards, store):
            headers.append(built.header)
            spoken = spoken or built.has_audio
    if not headers:
        why = "".join(f"; {note}" for note in opened.reader.notes)
        raise DataError(f"{source or audio}: expected at least one utterance, found none{why}")
    ref = finish_data(store, headers, cost)
    if memory is not None:
        memory.remember(headers)
    if remembered is not None and not spoken:
        remembered.remember(ref)
    return ref


def open_rows(source: str | None, audio: str | None, languages: Languages, limit: int | None) -> OpenedSet:
    """Open a data set, or recordings; ConfigError for both or neither."""
    if (source is None) == (audio is None):
        raise ConfigError("expected a data set or an audio file, one of the two; set data or audio")
    options = {"source_language": languages[0], "target_language": languages[1]}
    if audio is not None:
        return open_audio(audio, limit=limit, **options)
    return open_set(str(source), limit=limit, **options)


def build_shards(shards: DataShards, store: Store) -> Iterator[BuiltShard]:
    """Open and store the shards of a data set in threads, a few ahead of the first that is not done."""
    pending: deque[Future[BuiltShard]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="data") as pool:
        try:
            for shard in shards:
                pending.append(pool.submit(build_shard, shard, store))
                if len(pending) > _THREADS:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def build_shard(rows: Sequence[DraftedRow] | ShardHeader, store: Store) -> BuiltShard:
    """Open and store one shard of a data set, unless it is stored."""
    if isinstance(rows, ShardHeader):
        return BuiltShard(rows, has_audio=False)
    return BuiltShard(store_shard(build_rows(rows), store), names_audio(rows))


def names_audio(rows: Sequence[DraftedRow]) -> bool:
    """Return whether any of the rows is of speech."""
    return any(row.draft is not None and row.draft.audio is not None for row in rows)


def store_part(data: StageRef, positions: Sequence[int], store: Store) -> StageRef:
    """Keep some of the utterances of a loaded data set as a data set of their own; the finished stage.

    Args:
        data: the data set.
        positions: of the utterances in it, ascending.
        store: where.
    """
    utterances = list(read_utterances(data))
    return _store([row_of(utterances[position]) for position in positions], store)


def _store(rows: Iterable[Row], store: Store) -> StageRef:
    """Store what is missing of a data set, shard by shard, and finish its stage."""
    store.backend.uses.note(_PLAN.fingerprint)  # before a shard is looked for
    with measure_cost() as cost:
        headers = [store_shard(shard, store) for shard in cut_shards(rows)]
    return finish_data(store, headers, cost)


def finish_data(store: Store, headers: Sequence[ShardHeader], cost: Cost) -> StageRef:
    """Finish the stage of the shards of a data set."""
    plan = _PLAN.with_shards(header.key for header in headers)
    spent = {"seconds": cost.seconds, "peak_memory_bytes": cost.peak_memory_bytes}
    first = headers[0].model_copy(update=spent)
    return store.find_stage(plan) or finish_stage(store, plan, [first, *headers[1:]], {})


def store_shard(rows: Sequence[Row], store: Store) -> ShardHeader:
    """Store a shard, unless it is there.

    Its key holds the paths of its audio: of a data set that was moved the shards are others, of the same
    content.
    """
    utterances, quarantined = split_records(rows)
    content = content_digest(utterances, quarantined)
    records = [row.record for row in rows]
    read = {"content": content, "records": digest_of(list(map(encode_outcome, records)))}
    key = shard_key(_PLAN.fingerprint, read)
    header, encoded = encode_outcomes(
        records, key=key, stage=STAGE, fingerprint=_PLAN.fingerprint, content=content
    )
    return store.find_shard(key) or store.add_shard(header, encoded)
