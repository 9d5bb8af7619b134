"""Durable file writes (temporary file, fsync, rename) and checked reads."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import StoreError

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
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
        StoreError: the disk, the quota or the file size limit is exhausted, or nothing may be written here.
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
            raise StoreError(
                f"cannot write {what} at {error.filename or path} ({error.strerror}); make it a folder that "
                "you may write to, or use another store (--store)"
            ) from error
        raise


def sync_folder(path: Path) -> None:
    """Flush a folder to disk, so that files created or renamed in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` at once: readers see the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_full_as_store_error(path.name, path.parent):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def encode_json(value: object) -> bytes:
    """Encode a value as indented JSON with sorted keys and a final line feed."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` by indented JSON, durably."""
    write_bytes(path, encode_json(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file.

    Raises:
        StoreError: the file is missing, is not JSON, or holds no object.
    """
    try:
        value = json.loads(path.read_bytes())
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
