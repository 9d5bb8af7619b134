"""Receipts: what a finished folder holds, so that a damaged or foreign file is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from components.errors import ModelError
from components.models.digests import sha256_of, sync_folder, write_atomically

RECEIPT = "FETCHED.json"


def seal(folder: Path, receipt: str = RECEIPT, **facts: str) -> None:
    """Make every file of ``folder`` durable and write the receipt: ``facts`` and the files' digests."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests: dict[str, str] = {}
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    write_atomically(folder / receipt, json.dumps({**facts, "files": digests}, indent=1).encode())


def intact(folder: Path, receipt: str = RECEIPT, *, again: bool = False) -> bool:
    """Whether ``folder`` has a receipt and each file that it lists has the digest stated there."""
    try:
        files = json.loads((folder / receipt).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(sha256_of(folder / n, again=again) == d for n, d in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ModelError):
        return False


def once(target: Path, write: Callable[[Path], None]) -> Path:
    """``target``, filled by ``write`` the first time: one writer, and one rename of a complete folder.

    A folder that no longer matches its receipt is written again.
    """
    if intact(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if intact(target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        for left in target.parent.glob(f".{target.name}.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        try:
            write(place)
            seal(place)
            place.replace(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return target
