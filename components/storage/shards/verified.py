"""Shards in files, each read whole and verified once, until its file changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from components.files.digests import recall_digests, remember_digests, stamp_of
from components.storage.shards.shard import (
    DamagedError,
    ShardEntry,
    ShardHeader,
    check_shard,
    decode_header,
    decode_shard,
)


def verify_shards(paths: Mapping[Path, ShardEntry]) -> None:
    """Check that shards are what a stage was made from. DamagedError, also where one is missing."""
    stamps = _stamps_of(paths)
    known = recall_digests(stamps)
    verified = {path: _mark(shard.sha256) for path, shard in paths.items()}
    for path in (new := [path for path, mark in verified.items() if known.get(path) != mark]):
        check_shard(paths[path], path.read_bytes() if path.is_file() else None, str(path))
    remember_digests(stamps, {path: verified[path] for path in new if path in stamps})


def read_headers(paths: Mapping[str, Path]) -> dict[str, ShardHeader]:
    """Return the headers of those of some shards, key -> file, that are there and whole."""
    stamps = _stamps_of(paths.values())
    known = recall_digests(stamps)
    headers, new = dict[str, ShardHeader](), dict[Path, str]()
    for key, path in paths.items():
        with suppress(OSError, DamagedError):
            header = headers[key] = _read_header(path, key, known.get(path))
            if path in stamps and known.get(path) != _mark(header.sha256):
                new[path] = _mark(header.sha256)
    remember_digests(stamps, new)
    return headers


def _read_header(path: Path, key: str, known: str | None) -> ShardHeader:
    if known is not None:
        with path.open("rb") as file:
            header = decode_header(file.readline(), str(path), key)
        if known == _mark(header.sha256):
            return header
    return decode_shard(path.read_bytes(), str(path), key)[0]


def _stamps_of(paths: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
    """Return the stamps of files; of none that is missing, or was touched just now."""
    stamps = dict[Path, tuple[int, ...]]()
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            if (stamp := stamp_of(path)) is not None:
                stamps[path] = stamp
    return stamps


def _mark(sha256: str) -> str:
    """Return what is remembered of a file: that its outcomes have this digest."""
    return f"outcomes {sha256}"
