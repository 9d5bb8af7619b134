"""Streaming the records of finished stages, so that memory does not grow with the data set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.errors import DataError
from components.files.locations.location import file_name_of, is_remote, parse_location
from components.files.locations.opening import is_file
from components.records import NBest, Quarantined, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import (
    DamagedError,
    ShardEntry,
    decode_shard,
    parse_refused,
    shard_name,
    split_lines,
)
from components.storage.shards.tallies import (
    AUDIO_SECONDS,
    BRANCHES,
    REFERENCED,
    TOTALS,
    Tallies,
    UtteranceProfile,
    profiles_in,
)
from components.storage.stages.seal import SEAL, Seal, read_seal

REFUSED = "refused.jsonl"
"""File of the records that a stage made in one piece could not process."""


def read_shards(ref: StageRef) -> tuple[ShardEntry, ...]:
    """Return the shards of a finished stage, in order; none of a stage that gives no records."""
    return read_entries(Path(ref.path), ref.key)


def read_entries(folder: Path, key: str) -> tuple[ShardEntry, ...]:
    """Return the shards of the finished stage in a folder, in order."""
    return _read_seal(folder, key).shards


def read_tallies(ref: StageRef) -> Tallies:
    """Return what is counted over the records of a finished stage."""
    return _read_seal(Path(ref.path), ref.key).tallies


def profiles_of(data: StageRef) -> dict[UtteranceProfile, int]:
    """Return how many utterances of a data set there are of each profile."""
    return profiles_in(read_tallies(data))


def audio_seconds_of(data: StageRef) -> float:
    """Return the length of all audio of a data set together, in seconds."""
    return read_tallies(data).get(TOTALS, {}).get(AUDIO_SECONDS, 0.0)


def has_references(data: StageRef) -> bool:
    """Return whether any utterance of a data set has a reference or a transcript."""
    return read_tallies(data).get(TOTALS, {}).get(REFERENCED, 0) > 0


def count_branches(ref: StageRef) -> dict[str, int]:
    """Return how many utterances a stage sent which way."""
    return {branch: int(n) for branch, n in read_tallies(ref).get(BRANCHES, {}).items()}


def read_plan(ref: StageRef) -> dict[str, Any]:
    """Return the plan of a finished stage, as it is stored; empty where it is gone."""
    try:
        return _read_seal(Path(ref.path), ref.key).plan
    except (OSError, DamagedError):
        return {}


@contextmanager
def _expect(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(f"{path}: expected it, found it removed; run the same command again") from error


def _read_seal(folder: Path, key: str) -> Seal:
    path = folder / SEAL
    with _expect(path):
        status = path.stat()
    return _read_unchanged_seal(path, key, (status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=64)
def _read_unchanged_seal(path: Path, key: str, stamp: tuple[int, ...]) -> Seal:
    return read_seal(path.read_bytes(), str(path), key)


def read_shard(store: Path, key: str) -> Iterator[tuple[bool, bytes]]:
    """Yield the lines of a shard, verified, and before each whether its input could be processed.

    Args:
        store: folder of the store, or of its copy here.
        key: of the shard.

    Raises:
        DamagedError: it is not what was sealed, or not there.
    """
    path = store / shard_name(key)
    with _expect(path):
        return split_lines(decode_shard(path.read_bytes(), str(path), key)[1])


def store_of(ref: StageRef) -> Path:
    """Return the folder of the store that has a stage, or of its copy here."""
    return Path(ref.path).parents[1]


def read_lines_of(ref: StageRef) -> Iterator[bytes]:
    """Yield the outcomes of a stage as they are stored, in the order of its inputs."""
    return (line for shard in read_shards(ref) for ok, line in read_shard(store_of(ref), shard.key) if ok)


def read_utterances(data: StageRef) -> Iterator[Utterance]:
    """Yield the utterances of a stage, in order."""
    return (parse_utterance(line, Path(data.path)) for line in read_lines_of(data))


def parse_utterance(line: bytes, folder: Path) -> Utterance:
    """Return the utterance of a line of a stage in a folder."""
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
    location = utterance.audio.path
    path = location if is_remote(location) else str(folder / location)
    if is_remote(location) or (Path(location).is_absolute() and not is_file(parse_location(path).file)):
        imported = find_audio(store, utterance.audio.sha256, Path(file_name_of(path)).suffix)
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
    return map(NBest.model_validate_json, read_lines_of(ref))


def read_quarantined(ref: StageRef) -> Iterator[Quarantined]:
    """Yield the records that a stage could not process, in the order of its inputs."""
    for shard in read_shards(ref):
        if shard.quarantined:
            for ok, line in read_shard(store_of(ref), shard.key):
                if not ok:
                    yield parse_refused(line)
    if (file := Path(ref.path) / REFUSED).is_file():
        yield from map(Quarantined.model_validate_json, file.read_bytes().splitlines())


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
