"""The records of finished stages by id and by position, each read from its shard on access."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
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

_MAX_OPEN = 8
"""Shards of a stage whose places are remembered."""
R = TypeVar("R", bound=Record)


class _Place(NamedTuple):
    """The bytes of a line in the object of its shard, and whether its input could be processed."""

    start: int
    end: int
    ok: bool


class _OpenShards:
    """Where the records of a stage are, of the few shards that were asked for last.

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
        self._places: OrderedDict[int, dict[str, _Place]] = OrderedDict()
        self._lock = Lock()

    def places_in(self, number: int) -> dict[str, _Place]:
        """Return the places in a shard by id, in order."""
        with self._lock:
            if number not in self._places:
                self._places[number] = _find_places(self._store, self.entries[number])
            self._places.move_to_end(number)
            while len(self._places) > _MAX_OPEN:
                self._places.popitem(last=False)
            return self._places[number]

    def find(self, utterance_id: str) -> tuple[int, _Place] | None:
        """Return the shard and the place of a record."""
        if self._data is not None:
            found = self._data.find(utterance_id)
            place = None if found is None else self.places_in(found[0]).get(utterance_id)
            return None if found is None or place is None else (found[0], place)
        for number in self._candidates(utterance_id):
            place = self.places_in(number).get(utterance_id)
            if place is not None:
                return number, place
        return None

    def _candidates(self, utterance_id: str) -> Iterator[int]:
        """Yield the shards that may have an id: those that are open, the next, and what the index says."""
        with self._lock:
            opened = list(reversed(self._places))
        yield from opened
        following = opened[0] + 1 if opened else 0
        if following < len(self.entries):
            yield following
        if len(self.entries) > 1:
            yield from index_of(self._ref).find(utterance_id)

    def read(self, number: int, place: _Place) -> bytes:
        """Return a line."""
        with (self._store / shard_name(self.entries[number].key)).open("rb") as file:
            file.seek(place.start)
            return file.read(place.end - place.start)


def _find_places(store: Path, entry: ShardEntry) -> dict[str, _Place]:
    path = store / shard_name(entry.key)
    content = path.read_bytes()
    _, body = decode_shard(content, str(path), entry.key)
    places, start = {}, len(content) - len(body)
    for ok, line in split_lines(body):
        end = start + len(line)
        places[id_of_line(line)] = _Place(start, end, ok)
        start = end + 1
    return places


class StoredRecords(Mapping[str, R | Quarantined], Generic[R]):
    """The records of a stage by utterance id, each read on access.

    Args:
        ref: the stage.
        record: the type of its outputs; what it could not process is :class:`Quarantined`.
        data: the data set that it was computed from, shard by shard, if it was.
    """

    def __init__(self, ref: StageRef, record: type[R], data: StageRef | None = None) -> None:
        """``record``: what the stage gives where it gives something."""
        self.ref = ref
        self._record: type[R] = record
        self._shards = _OpenShards(ref, data)

    def __getitem__(self, utterance_id: str) -> R | Quarantined:
        found = self._shards.find(utterance_id)
        if found is None:
            raise KeyError(utterance_id)
        line = self._shards.read(*found)
        return self._record.model_validate_json(line) if found[1].ok else parse_refused(line)

    def __contains__(self, utterance_id: object) -> bool:
        """Whether there is a record, which is not read for that, as Mapping would."""
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
        """One utterance, or a list for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        number = bisect_right(self._ends, position)
        good = [place for place in self._shards.places_in(number).values() if place.ok]
        first = self._ends[number] - len(good)
        return self._parse(number, good[position - first])

    def find(self, utterance_id: str) -> Utterance | None:
        """Return the utterance of an id; None where there is none."""
        found = self._shards.find(utterance_id)
        return None if found is None or not found[1].ok else self._parse(*found)

    def _parse(self, number: int, place: _Place) -> Utterance:
        return parse_utterance(self._shards.read(number, place), Path(self.ref.path))

    def __iter__(self) -> Iterator[Utterance]:
        return (self[number] for number in range(len(self)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0


def find_utterance(utterances: Sequence[Utterance], utterance_id: str) -> Utterance | None:
    """Return the utterance of an id; of stored ones by their index."""
    if isinstance(utterances, StoredUtterances):
        return utterances.find(utterance_id)
    return next((utterance for utterance in utterances if utterance.id == utterance_id), None)
