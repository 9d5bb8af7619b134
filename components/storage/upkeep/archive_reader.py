"""Reading an archive of a run that somebody else may have made: nothing of it is believed unchecked."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pydantic import ValidationError

from components.errors import StoreError, to_one_line
from components.files.canonical_json import verify_digest
from components.files.files import disk_full_as_store_error, sync_file
from components.storage.layout import LAYOUT
from components.storage.stages.seal import SEAL
from components.storage.upkeep.archive import MANIFEST, MAX_JSON, RUN_FILE, ArchivedFile, Manifest
from components.storage.upkeep.inventory import AUDIO
from components.storage.upkeep.references import RUNS

MAX_FOLDERS = 10_000
"""Of a tar that was packed again: an export writes none."""
MAX_RATIO, FREE_BYTES = 200, 1 << 30
"""A compressed archive may become so many times larger, or this many bytes in any case."""
_NAME = re.compile(
    r"layout\.json|audio/[0-9a-f]{64}(\.[A-Za-z0-9]{1,8})?"
    r"|shards/[0-9a-f]{2}/[0-9a-f]{64}\.jsonl"
    r"|stages/[0-9a-f]{64}(/[^/\\\x00-\x1f]{1,200}){1,8}"
    rf"|runs/[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}/{RUN_FILE.pattern}"
)
_CHUNK = 1 << 20
_HEADERS = 8 << 10
"""Bytes of a tar that a file may take beside its own: headers and names, also of its folders, and zeros."""

Entry = tuple[str, int, IO[bytes]]
"""Name, stated size and content of a file."""


def unpack(source: Path, target: Path) -> Manifest:
    """Unpack an archive into an empty folder; every file is what ``archive.json`` says.

    Args:
        source: a folder or tar that :func:`~components.storage.upkeep.archive.export_run` wrote.
        target: the folder.

    Raises:
        StoreError: it is no archive, holds other files than it says, links, devices, paths that lead out of
            it, or is larger than the disk or than its compressed size can mean.
    """
    tar = _BoundedReader(MAX_JSON + _CHUNK)
    try:
        entries = _folder_entries(source) if source.is_dir() else _tar_entries(source, tar)
        first = next(entries, None)
        if first is None or first[0] != MANIFEST:
            raise StoreError(
                f"{source}: expected an archive of a run that begins with {MANIFEST}, found none"
            )
        manifest = _read_manifest(first, source)
        _check_size(manifest, source, target)
        tar.left += manifest.total_bytes + _HEADERS * len(manifest.files)
        missing = dict(manifest.files)
        for name, size, content in entries:
            expected = missing.pop(name, None)
            if expected is None or size != expected.bytes:
                raise StoreError(f"{source}: expected the files that {MANIFEST} names, found {name[:200]!r}")
            _copy(content, target / name, expected, f"{source}: {name}")
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        fault = to_one_line(error)
        raise StoreError(f"{source}: expected a whole archive of a run, found: {fault}") from error
    if missing:
        raise StoreError(
            f"{source}: expected {next(iter(missing))} and {len(missing)} files in all, found none"
        )
    return manifest


def _folder_entries(source: Path) -> Iterator[Entry]:
    """Yield the manifest, then the files that it names; links are refused, others ignored."""
    manifest = source / MANIFEST
    if not manifest.is_file():
        return
    with manifest.open("rb") as file:
        yield MANIFEST, manifest.stat().st_size, file
    for name in _parse_manifest(manifest.read_bytes()).files:
        path = source / name
        if path.resolve() != source.resolve() / name or not path.is_file():
            raise StoreError(f"{source}: expected a file {name}, found a link or none")
        with path.open("rb") as file:
            yield name, path.stat().st_size, file


class _BoundedReader:
    """A tar, compressed or not, as it is read once from its beginning to its end.

    Attributes:
        left: bytes that may still come out of it: beyond are names and folders without end.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        self._position = 0

    @contextmanager
    def open(self, path: Path) -> Iterator[None]:
        with path.open("rb") as file, ExitStack() as stack:
            self._file: IO[bytes] | gzip.GzipFile = file
            if file.read(2) == b"\x1f\x8b":
                self._file = stack.enter_context(gzip.GzipFile(fileobj=file))
            file.seek(0)
            yield

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= min(_CHUNK, self.left):  # tarfile reads a name at once, of whatever length
            raise ValueError(f"more than the {_CHUNK} bytes of a name, or than its files are to have")
        content = self._file.read(size)
        self._position += len(content)
        self.left -= len(content)
        return content

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ValueError("a file that begins before its header")
        while position > self._position and self.read(min(_CHUNK, position - self._position)):
            pass


def _tar_entries(source: Path, reader: _BoundedReader) -> Iterator[Entry]:
    with reader.open(source), tarfile.open(fileobj=cast(IO[bytes], reader), mode="r:") as tar:
        folders = 0
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined] # it keeps all that it has read
            folders += member.isdir()
            if folders > MAX_FOLDERS:
                raise ValueError(f"more than {MAX_FOLDERS} folders")
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise StoreError(
                    f"{source}: expected plain files, found {member.name[:200]!r}, a link or device"
                )
            yield member.name, member.size, content


def _read_manifest(first: Entry, source: Path) -> Manifest:
    _, size, content = first
    if size > MAX_JSON:
        raise StoreError(f"{source}: expected {MANIFEST} of at most {MAX_JSON} bytes, found {size}")
    return _parse_manifest(b"".join(iter(lambda: content.read(_CHUNK), b"")))


def _parse_manifest(content: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate(verify_digest(content))
    except ValidationError as error:
        raise ValueError(f"{MANIFEST}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise ValueError(f"{MANIFEST}: {error}") from error
    for name, file in manifest.files.items():
        if not _NAME.fullmatch(name) or ".." in name.split("/") or "." in name.split("/"):
            raise ValueError(f"{MANIFEST}: {name[:200]!r} is no name of a file of a run")
        if name.startswith(f"{AUDIO}/") and Path(name).stem != file.sha256:
            raise ValueError(f"{MANIFEST}: {name} is not named by the sha256 of its recording")
        if _is_parsed(name) and file.bytes > MAX_JSON:
            raise ValueError(f"{MANIFEST}: {name} has more than {MAX_JSON} bytes")
    if manifest.run not in manifest.runs:
        raise ValueError(f"{MANIFEST}: expected its run among its runs")
    return manifest


def _is_parsed(name: str) -> bool:
    """Return whether a file of an archive is parsed whole."""
    return name.startswith(f"{RUNS}/") or PurePosixPath(name).name in {LAYOUT, SEAL}


def _check_size(manifest: Manifest, source: Path, target: Path) -> None:
    """Refuse what would fill the disk before anything is written."""
    if source.is_file() and manifest.total_bytes > max(FREE_BYTES, MAX_RATIO * source.stat().st_size):
        raise StoreError(
            f"{source}: expected it to unpack to at most {MAX_RATIO} times its size, found "
            f"{manifest.total_bytes} bytes; unpack it yourself if you trust it, and import the folder"
        )
    free = shutil.disk_usage(target).free
    if manifest.total_bytes > free:
        raise StoreError(
            f"{source}: expected {manifest.total_bytes} bytes of free space at {target}, found {free}"
        )


def _copy(content: IO[bytes], path: Path, expected: ArchivedFile, what: str) -> None:
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    left = expected.bytes
    with disk_full_as_store_error(what, path), path.open("xb") as file:
        while chunk := content.read(min(_CHUNK, left)):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    if left or digest.hexdigest() != expected.sha256:
        raise StoreError(f"{what}: expected sha256 {expected.sha256[:12]}…, found another; it was damaged")
    sync_file(path)
