"""Reading finished stages record by record, so that memory does not grow with the data set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

from components.errors import DataError
from components.files.json_text import parse_json
from components.records import NBest, Quarantined, Record, Route, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import (
    DamagedError,
    ShardEntry,
    decode_shard,
    name_of,
    parse_refused,
    split_lines,
)
from components.storage.stages.seal import SEAL, read_seal


def read_shards(ref: StageRef) -> tuple[ShardEntry, ...]:
    """Return the shards of a finished stage, in order; none of a stage that gives no records."""
    path = Path(ref.path) / SEAL
    return read_seal(path.read_bytes(), str(path), ref.key).shards


def read_plan(ref: StageRef) -> dict[str, Any]:
    """Return the plan of a finished stage, as it is stored; empty where it is gone."""
    path = Path(ref.path) / SEAL
    try:
        return read_seal(path.read_bytes(), str(path), ref.key).plan
    except (OSError, DamagedError):
        return {}


def read_shard(store: Path, key: str) -> Iterator[tuple[bool, bytes]]:
    """Yield the lines of a shard, verified, and before each whether its input could be processed.

    Args:
        store: folder of the store, or of its copy here.
        key: of the shard.

    Raises:
        DamagedError: it is not what was sealed.
        OSError: it is not there.
    """
    path = store / name_of(key)
    return split_lines(decode_shard(path.read_bytes(), str(path), key)[1])


def store_of(ref: StageRef) -> Path:
    """Return the folder of the store that has a stage, or of its copy here."""
    return Path(ref.path).parents[1]


def read_lines_of(ref: StageRef) -> Iterator[bytes]:
    """Yield the outcomes of a stage as they are stored, in the order of its inputs."""
    return (line for shard in read_shards(ref) for ok, line in read_shard(store_of(ref), shard.key) if ok)


def read_utterances(data: StageRef) -> Iterator[Utterance]:
    """Yield the utterances of a stage, in order."""
    return (_parse_utterance(line, Path(data.path)) for line in read_lines_of(data))


def _parse_utterance(line: bytes, folder: Path) -> Utterance:
    return resolve_audio_path(Utterance.model_validate_json(line), folder, folder.parents[1])


def resolve_audio_path(utterance: Utterance, folder: Path, store: Path) -> Utterance:
    """Resolve the path of an utterance's audio.

    Args:
        utterance: the utterance.
        folder: of its stage, in which a relative path begins.
        store: folder of the store, which has recordings that an absolute path of another machine names, where
            they were imported with their run (:func:`find_audio`).
    """
    if utterance.audio is None:
        return utterance
    path = folder / utterance.audio.path
    if Path(utterance.audio.path).is_absolute() and not path.exists():
        imported = find_audio(store, utterance.audio.sha256, path.suffix)
        path = imported if imported.exists() else path
    if str(path) == utterance.audio.path:
        return utterance
    here = utterance.audio.model_copy(update={"path": str(path)})
    return utterance.model_copy(update={"audio": here})


def find_audio(store: Path, sha256: str, suffix: str) -> Path:
    """Return where a store keeps a recording that came with an imported run; it need not be there."""
    suffix = suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""
    return store / "audio" / f"{sha256}{suffix}"


def read_nbests(ref: StageRef) -> Iterator[NBest]:
    """Yield the n-best lists of a stage, in the order of its inputs."""
    return map(NBest.model_validate_json, read_lines_of(ref))


def read_routes(ref: StageRef) -> Iterator[Route]:
    """Yield the ways on which a stage sent utterances, in the order of its inputs."""
    return map(Route.model_validate_json, read_lines_of(ref))


def read_quarantined(ref: StageRef) -> Iterator[Quarantined]:
    """Yield the records that a stage could not process, in the order of its inputs."""
    for shard in read_shards(ref):
        if shard.quarantined:
            for ok, line in read_shard(store_of(ref), shard.key):
                if not ok:
                    yield parse_refused(line)


def languages_of(data: StageRef) -> tuple[str, str]:
    """Return source and target language of a data set, by its first utterance.

    Raises:
        DataError: it is empty or has no target language.
    """
    first = next(read_utterances(data), None)
    if first is None or first.target_language is None:
        raise DataError("expected data with a target language, found none: set target_language")
    return first.source_language, first.target_language


def read_nbests_by_id(ref: StageRef | None) -> dict[str, NBest]:
    """Return the n-best lists of a stage by utterance id; empty without a stage."""
    return {} if ref is None else {nbest.utterance_id: nbest for nbest in read_nbests(ref)}


def read_best_texts(ref: StageRef) -> dict[str, str]:
    """Return the text of the best hypothesis by utterance id."""
    return {nbest.utterance_id: nbest.best.text for nbest in read_nbests(ref)}


class _Place(NamedTuple):
    """Where a record is: the position of its shard among those of its stage, and the bytes of its line."""

    shard: int
    start: int
    end: int
    ok: bool


class _IndexedStage:
    """The lines of a stage by id, each read from its shard on access."""

    def __init__(self, ref: StageRef) -> None:
        self.folder = Path(ref.path)
        self._paths = [store_of(ref) / name_of(shard.key) for shard in read_shards(ref)]
        self.places: dict[str, _Place] = {}
        for number, path in enumerate(self._paths):
            with path.open("rb") as file:
                start = len(file.readline())
                for ok, line in split_lines(file.read()):
                    end = start + len(line)
                    self.places[_id_in(ok, line)] = _Place(number, start, end, ok)
                    start = end + 1

    def read(self, place: _Place) -> bytes:
        """Return a line."""
        with self._paths[place.shard].open("rb") as file:
            file.seek(place.start)
            return file.read(place.end - place.start)


def _id_in(ok: bool, line: bytes) -> str:
    record = parse_json(line) if ok else parse_json(line)["quarantined"]
    return str(record.get("utterance_id") or record["id"])


R = TypeVar("R", bound=Record)


class StoredRecords(Mapping[str, R | Quarantined], Generic[R]):
    """The records of a stage by utterance id, each read on access.

    Args:
        ref: the stage.
        record: the type of its outputs; what it could not process is :class:`Quarantined`.
    """

    def __init__(self, ref: StageRef, record: type[R]) -> None:
        """``record``: what the stage gives where it gives something."""
        self._record: type[R] = record
        self._stage = _IndexedStage(ref)

    def __getitem__(self, utterance_id: str) -> R | Quarantined:
        place = self._stage.places[utterance_id]
        line = self._stage.read(place)
        return self._record.model_validate_json(line) if place.ok else parse_refused(line)

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._stage.places  # without reading the record, as Mapping would

    def __iter__(self) -> Iterator[str]:
        return iter(self._stage.places)

    def __len__(self) -> int:
        return len(self._stage.places)


class StoredOutcomes(StoredRecords[NBest]):
    """The outcomes of a stage that gives text."""

    def __init__(self, ref: StageRef) -> None:
        super().__init__(ref, NBest)


class StoredUtterances(Sequence[Utterance]):
    """The utterances of a ``data`` stage by position, each read on access."""

    def __init__(self, data: StageRef) -> None:
        self._stage = _IndexedStage(data)
        self._places = [place for place in self._stage.places.values() if place.ok]

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        """One utterance, or a list for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return _parse_utterance(self._stage.read(self._places[index]), self._stage.folder)

    def __iter__(self) -> Iterator[Utterance]:
        return (self[number] for number in range(len(self)))

    def __len__(self) -> int:
        return len(self._places)
