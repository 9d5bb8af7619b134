"""Receipts of the cache: what a finished folder holds, so that a damaged or foreign file is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from components.models.digests import sha256_of, write_atomically

RECEIPT = "FETCHED.json"


def seal(folder: Path, **facts: str) -> None:
    """Make every file of ``folder`` durable and write the receipt: ``facts`` and the files' digests."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests: dict[str, str] = {}
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    write_atomically(folder / RECEIPT, json.dumps({**facts, "files": digests}, indent=1).encode())


def intact(folder: Path, *, again: bool = False) -> bool:
    """Whether ``folder`` has a receipt and each file that it lists has the digest stated there."""
    try:
        files = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(sha256_of(folder / n, again=again) == d for n, d in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
