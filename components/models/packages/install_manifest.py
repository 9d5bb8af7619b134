"""Install manifests: the digests of a finished folder's files, so that a damaged file is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from components.errors import ModelError
from components.files.digests import sha256_of
from components.files.files import rename_durably, staging_folder, sync_file, write_atomically
from components.files.json_text import parse_json

MANIFEST = "FETCHED.json"


def write_manifest(folder: Path, manifest: str = MANIFEST, **facts: str) -> None:
    """Make every file of a folder durable and write its manifest.

    Args:
        folder: the folder, complete.
        manifest: name of the manifest's file.
        facts: what the manifest says besides the digests.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests: dict[str, str] = {}
    for path in files:
        sync_file(path)
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    write_atomically(folder / manifest, json.dumps({**facts, "files": digests}, indent=1).encode())


def is_intact(folder: Path, manifest: str = MANIFEST, *, reread: bool = False) -> bool:
    """Return whether a folder has a manifest, and every file that it lists has the digest that it states.

    Args:
        folder: the folder.
        manifest: name of the manifest's file.
        reread: whether to read large files again that did not change since their digest was computed.
    """
    try:
        files = parse_json((folder / manifest).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(sha256_of(folder / n, reread=reread) == d for n, d in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ModelError):
        return False


def install_once(target: Path, write: Callable[[Path], None]) -> Path:
    """Fill a folder the first time that it is needed: by one process, and it appears complete.

    A folder that no longer matches its manifest is written again.

    Args:
        target: the folder.
        write: fills the folder that it is given.

    Returns:
        ``target``.
    """
    if is_intact(target):
        return target
    with FileLock(target.parent / f".{target.name}.lock"):
        if is_intact(target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        with staging_folder(target) as staging:
            write(staging)
            write_manifest(staging)
            rename_durably(staging, target)
    return target
