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

from components.digests import sha256_of, sync_folder, write_atomically
from components.errors import ModelError

MANIFEST = "FETCHED.json"


def write_manifest(folder: Path, manifest: str = MANIFEST, **facts: str) -> None:
    """Make every file of ``folder`` durable and write the receipt: ``facts`` and the files' digests."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests: dict[str, str] = {}
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    write_atomically(folder / manifest, json.dumps({**facts, "files": digests}, indent=1).encode())


def is_intact(folder: Path, manifest: str = MANIFEST, *, reread: bool = False) -> bool:
    """Whether ``folder`` has a receipt and each file that it lists has the digest stated there."""
    try:
        files = json.loads((folder / manifest).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(sha256_of(folder / n, reread=reread) == d for n, d in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ModelError):
        return False


def install_once(target: Path, write: Callable[[Path], None]) -> Path:
    """``target``, filled by ``write`` the first time: one writer, and one rename of a complete folder.

    A folder that no longer matches its receipt is written again.
    """
    if is_intact(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if is_intact(target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        for leftover in target.parent.glob(f".{target.name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        try:
            write(staging)
            write_manifest(staging)
            staging.replace(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target
