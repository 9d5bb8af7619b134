"""Reading finished stages record by record, so that memory does not grow with the data set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar, overload

from components.errors import DataError
from components.files.files import read_lines
from components.files.json_text import parse_json
from components.files.locations.location import is_remote, name_of, parse_location
from components.files.locations.opening import is_file
from components.records import NBest, Quarantined, Record, Utterance
from components.run_record import StageRef
from components.storage.stages.record_files import ERRORS, JOURNAL, OUTPUTS, read_journal


def read_utterances(data: StageRef) -> Iterator[Utterance]:
    """Yield the utterances of a ``data`` stage, in order."""
    return (_parse_utterance(line, Path(data.path)) for line in read_lines(Path(data.path) / OUTPUTS))


def _parse_utterance(line: bytes, folder: Path) -> Utterance:
    return resolve_audio_path(Utterance.model_validate_json(line), folder)


def resolve_audio_path(utterance: Utterance, folder: Path) -> Utterance:
    """Resolve the path of an utterance's audio.

    A relative one lies in the stage's ``folder``. An absolute one that is not on this machine is that of a
    run which was imported with its recordings (:func:`find_audio`).
    """
    if utterance.audio is None:
        return utterance
    location = utterance.audio.path
    path = location if is_remote(location) else str(folder / location)
    if is_remote(location) or (Path(location).is_absolute() and not is_file(parse_location(path).file)):
        imported = find_audio(folder.parents[1], utterance.audio.sha256, Path(name_of(path)).suffix)
        path = str(imported) if imported.exists() else path
    if path == location:
        return utterance
    here = utterance.audio.model_copy(update={"path": path})
    return utterance.model_copy(update={"audio": here})


def find_audio(store: Path, sha256: str, suffix: str) -> Path:
    """Return where a store keeps a recording that came with an imported run; it need not be there."""
    suffix = suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""
    return store / "audio" / f"{sha256}{suffix}"


def read_nbests(ref: StageRef) -> Iterator[NBest]:
    """Yield the n-best lists of a stage, in the order of its inputs."""
    return map(NBest.model_validate_json, read_lines(Path(ref.path) / OUTPUTS))


def read_quarantined(ref: StageRef) -> Iterator[Quarantined]:
    """Yield the records that a stage could not process, in the order of its inputs."""
    return map(Quarantined.model_validate_json, read_lines(Path(ref.path) / ERRORS))


def count_journal_shards(folder: Path) -> int:
    """Return how many complete shards an earlier attempt left in a stage's folder."""
    journal = folder / JOURNAL
    return sum(1 for _ in read_journal(journal.read_bytes())) if journal.exists() else 0


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


def _index_lines(path: Path) -> dict[str, int]:
    """Return the byte offset of each record's line by utterance id."""
    offsets: dict[str, int] = {}
    position = 0
    with path.open("rb") as file:
        for line in file:
            record = parse_json(line)
            offsets[record.get("utterance_id") or record["id"]] = position
            position += len(line)
    return offsets


def _read_line(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.readline()


R = TypeVar("R", bound=Record)


class StoredRecords(Mapping[str, R | Quarantined], Generic[R]):
    """The records of a stage by utterance id, each read from its file on access.

    Args:
        ref: the stage.
        record: the type of its outputs; what it could not process is :class:`Quarantined`.
    """

    def __init__(self, ref: StageRef, record: type[R]) -> None:
        """``record``: what the stage gives where it gives something."""
        self._folder = Path(ref.path)
        self._record: type[R] = record
        self._where: dict[str, tuple[str, int]] = {}
        for name in (OUTPUTS, ERRORS):
            self._where |= {key: (name, offset) for key, offset in _index_lines(self._folder / name).items()}

    def __getitem__(self, utterance_id: str) -> R | Quarantined:
        name, offset = self._where[utterance_id]
        line = _read_line(self._folder / name, offset)
        return (
            Quarantined.model_validate_json(line)
            if name == ERRORS
            else self._record.model_validate_json(line)
        )

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._where  # without reading the record, as Mapping would

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)


class StoredOutcomes(StoredRecords[NBest]):
    """The outcomes of a stage that gives text."""

    def __init__(self, ref: StageRef) -> None:
        super().__init__(ref, NBest)


class StoredUtterances(Sequence[Utterance]):
    """The utterances of a ``data`` stage by position, each read from its file on access."""

    def __init__(self, data: StageRef) -> None:
        self._path = Path(data.path) / OUTPUTS
        self._offsets = list(_index_lines(self._path).values())

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        """One utterance, or a list for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return _parse_utterance(_read_line(self._path, self._offsets[index]), self._path.parent)

    def __iter__(self) -> Iterator[Utterance]:
        return (_parse_utterance(line, self._path.parent) for line in read_lines(self._path))

    def __len__(self) -> int:
        return len(self._offsets)
