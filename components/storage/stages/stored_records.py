"""The records of finished stages by id and by position, each read from its shard on access."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Generic, NamedTuple, TypeVar, overload

from components.records import NBest, Quarantined, Record, Utterance
from components.run_record import StageRef
from components.storage.shards.line_ids import id_of_line
from components.storage.shards.shard import ShardEntry, decode_shard, parse_refused, shard_name, split_lines
from components.storage.stages.id_index import index_of
from components.storage.stages.reader import parse_utterance, read_shard, read_shards, store_of

_MAX_OPEN = 4
"""Shards of a stage whose lines are held."""
R = TypeVar("R", bound=Record)


class _Line(NamedTuple):
    """A record as it is stored, and whether its input could be processed."""

    content: bytes
    ok: bool


class _Lines:
    """The lines of a shard, in order, verified."""

    def __init__(self, store: Path, entry: ShardEntry) -> None:
        path = store / shard_name(entry.key)
        _, body = decode_shard(path.read_bytes(), str(path), entry.key)
        self.by_id = {id_of_line(line): _Line(line, ok) for ok, line in split_lines(body)}

    @cached_property
    def good(self) -> list[_Line]:
        """Those of inputs that could be processed."""
        return [line for line in self.by_id.values() if line.ok]


class _OpenShards:
    """The records of a stage, of the few shards that were asked for last.

    Args:
        ref: the stage.
        data: the data set that it was computed from, shard by shard: a record is in the shard in which its
            utterance is.
    """

    def __init__(self, ref: StageRef, data: StageRef | None = None) -> None:
        self.entries = read_shards(ref)
        is_parallel = data is not None and len(read_shards(data)) == len(self.entries)
        self._data = _OpenShards(data) if data is not None and is_parallel else None
        self._ref, self._store = ref, store_of(ref)
        self._opened: OrderedDict[int, _Lines] = OrderedDict()
        self._lock = Lock()

    def open(self, number: int) -> _Lines:
        """Return the lines of a shard."""
        with self._lock:
            if number not in self._opened:
                self._opened[number] = _Lines(self._store, self.entries[number])
            self._opened.move_to_end(number)
            while len(self._opened) > _MAX_OPEN:
                self._opened.popitem(last=False)
            return self._opened[number]

    def find(self, utterance_id: str) -> _Line | None:
        """Return a record."""
        number = (self._data or self)._shard_of(utterance_id)
        return None if number is None else self.open(number).by_id.get(utterance_id)

    def _shard_of(self, utterance_id: str) -> int | None:
        numbers = self._candidates(utterance_id)
        return next((number for number in numbers if utterance_id in self.open(number).by_id), None)

    def _candidates(self, utterance_id: str) -> Iterator[int]:
        """Yield the shards that may have an id: those that are open, the next, and what the index says."""
        with self._lock:
            opened = list(reversed(self._opened))
        yield from opened
        following = opened[0] + 1 if opened else 0
        if following < len(self.entries):
            yield following
        if len(self.entries) > 1:
            yield from index_of(self._ref).find(utterance_id)


class StoredRecords(Mapping[str, R | Quarantined], Generic[R]):
    """The records of a stage by utterance id, each read on access.

    Args:
        ref: the stage.
        record: the type of its outputs; what it could not process is :class:`Quarantined`.
        data: the data set that it was computed from, shard by shard, if it was.
    """

    def __init__(self, ref: StageRef, record: type[R], data: StageRef | None = None) -> None:
        self.ref = ref
        self._record: type[R] = record
        self._shards = _OpenShards(ref, data)

    def __getitem__(self, utterance_id: str) -> R | Quarantined:
        found = self._shards.find(utterance_id)
        if found is None:
            raise KeyError(utterance_id)
        return self._record.model_validate_json(found.content) if found.ok else parse_refused(found.content)

    def __contains__(self, utterance_id: object) -> bool:
        """Return whether there is a record, which is not read for that, as Mapping would."""
        return isinstance(utterance_id, str) and self._shards.find(utterance_id) is not None

    def __iter__(self) -> Iterator[str]:
        store, entries = store_of(self.ref), self._shards.entries
        return (id_of_line(line) for entry in entries for _, line in read_shard(store, entry.key))

    def __len__(self) -> int:
        return sum(entry.ok + entry.quarantined for entry in self._shards.entries)


class StoredOutcomes(StoredRecords[NBest]):
    """The outcomes of a stage that gives text."""

    def __init__(self, ref: StageRef, data: StageRef | None = None) -> None:
        super().__init__(ref, NBest, data)


class StoredUtterances(Sequence[Utterance]):
    """The utterances of a ``data`` stage by position, each read on access."""

    def __init__(self, data: StageRef) -> None:
        self.ref = data
        self._shards = _OpenShards(data)
        self._ends = list(accumulate(entry.ok for entry in self._shards.entries))

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        """Return one utterance, or a list for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        number = bisect_right(self._ends, position)
        good = self._shards.open(number).good
        return self._parse(good[position - self._ends[number] + len(good)])

    def find(self, utterance_id: str) -> Utterance | None:
        """Return the utterance of an id; None where there is none."""
        found = self._shards.find(utterance_id)
        return None if found is None or not found.ok else self._parse(found)

    def _parse(self, line: _Line) -> Utterance:
        return parse_utterance(line.content, Path(self.ref.path))

    def __iter__(self) -> Iterator[Utterance]:
        return (self[number] for number in range(len(self)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0


def find_utterance(utterances: Sequence[Utterance], utterance_id: str) -> Utterance | None:
    """Return the utterance of an id; of stored ones by their index."""
    if isinstance(utterances, StoredUtterances):
        return utterances.find(utterance_id)
    return next((utterance for utterance in utterances if utterance.id == utterance_id), None)
