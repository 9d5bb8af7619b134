"""The one way to write a file durably (temporary file, fsync, rename), and checked reads.

A reader sees the old file or the new one, never a part, also after a power cut. :func:`write_bytes` and
:func:`write_json` explain a full disk to the user of a store; :func:`write_atomically` and
:func:`open_atomically` leave the OSError to their caller.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from components.errors import NotWritableError, StoreError
from components.files.json_text import parse_json

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def utc_now() -> str:
    """Return the present time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def disk_full_as_store_error(what: str, path: Path) -> Iterator[None]:
    """Turn OS errors of writing (disk full, no permission, ...) into a StoreError that says how to go on.

    Args:
        what: what is written, for the message.
        path: where.

    Raises:
        StoreError: the disk, the quota or the file size limit is exhausted.
        NotWritableError: nothing may be written here.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise StoreError(
                f"no space left to write {what} at {path} ({error.strerror}); what was finished is kept: "
                "free some space and run the same command again, it goes on from there"
            ) from error
        if error.errno in _NOT_WRITABLE:
            raise NotWritableError(
                f"cannot write {what} at {error.filename or path} ({error.strerror}); make it a folder that "
                "you may write to, or use another store (--store)"
            ) from error
        raise


def sync_file(path: Path) -> None:
    """Flush a file that another library has written to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Flush a folder to disk, so that files created or renamed in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename_durably(source: Path, target: Path) -> None:
    """Give a synced file or a folder of synced files its name, in place of what has that name.

    A folder takes the place of an empty one only.
    """
    source.replace(target)
    sync_folder(target.parent)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of ``path`` when the block ends without an error.

    A link at ``path`` is replaced, not followed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            _sync(file)
        rename_durably(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def create_durably(path: Path, content: bytes) -> bool:
    """Make a file that is not there yet, whole or not at all; return False where it is.

    Of several writers at once, one gets True.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            _sync(file)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
            temporary.replace(path)  # a file system without links: the last of several writers counts
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file, whose folder is there; OS errors reach the caller as they are."""
    with open_atomically(path) as file:
        file.write(content)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file, in a folder that is made if it is missing.

    Raises:
        StoreError: there is no space, or nothing may be written here.
    """
    with disk_full_as_store_error(path.name, path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


def encode_json(value: object) -> bytes:
    """Encode a value as indented JSON with sorted keys and a final line feed."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def write_json(path: Path, value: object) -> None:
    """Replace a file by indented JSON; see :func:`write_bytes`."""
    write_bytes(path, encode_json(value))


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Make a temporary folder beside ``target`` that is removed when the block ends, unless it was renamed.

    What killed processes left there for the same target is removed first, so the caller holds a lock.
    """
    prefix = f".{target.name}.partial-"
    for leftover in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file.

    Raises:
        StoreError: the file is missing, is not JSON, or holds no object.
    """
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"expected a JSON object in {path}, found: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"expected a JSON object in {path}, found {type(value).__name__}")
    return value


def read_lines(path: Path) -> Iterator[bytes]:
    """Read the lines of a JSONL file, without their ends; only a line feed ends a line (U+2028 does not)."""
    with path.open("rb") as file:
        for line in file:
            yield line.rstrip(b"\n")
