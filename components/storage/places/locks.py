"""Locks of a local store: one writer per stage or run, freed by the system when its process dies.

``locks/NAME.lock`` is the lock, ``locks/NAME.holder`` says who holds it. Both are removed on release; what a
killed process left of them, and its half-written files, are removed by the next process that writes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import ConfigError, StoreError
from components.files.files import disk_full_as_store_error, utc_now, write_bytes
from components.files.json_text import parse_json

log = logging.getLogger("antiphon.store")
VARIABLE = "ANTIPHON_LOCK_SECONDS"
"""Names the seconds to wait for a stage that another process writes; 600 by default."""

RUN_PREFIX = "run-"
"""Prefix of the names of runs' locks; those of stages are keys."""

_WARNING_INTERVAL = 60.0
_PARTIAL_FILES = (".*.tmp", ".report-data.*")
_CLEANED_ROOTS: set[Path] = set()


def lock_seconds() -> float:
    """Return how many seconds to wait for another writer (ANTIPHON_LOCK_SECONDS). ConfigError."""
    return read_seconds(VARIABLE, "600", 0, 1e7)


def read_seconds(variable: str, default: str, least: int, below: float) -> float:
    """Return the seconds that an environment variable sets, ``least`` or more, and less than ``below``.

    Raises:
        ConfigError: it is not a number in that range.
    """
    text = os.environ.get(variable) or default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not least <= seconds < below:
        raise ConfigError(f"{variable}: expected seconds, at least {least}, found {text!r}")
    return seconds


class LockWait:
    """Waits for another writer with a warning at once and every minute, and gives up after a time.

    Args:
        what: what is waited for, for messages.
        seconds: how long.
        instead: what the user can do instead of waiting.
        action: what the other process does to it.
    """

    def __init__(
        self, what: str, seconds: float, instead: str = "use another store", action: str = "written"
    ) -> None:
        self._what = what
        self._action = action
        self._instead = instead
        self._until = time.monotonic() + seconds
        self._last_warning = 0.0

    def wait_or_raise(self, holder: str) -> None:
        """Warn that ``holder`` still writes, where a warning is due; called again and again while that is so.

        Raises:
            StoreError: the waiting time is over; the message says who holds it.
        """
        at = time.monotonic()
        if at >= self._until:
            raise StoreError(
                f"{self._what} is being {self._action} by {holder}; wait for it, or {self._instead}"
            )
        left = self._until - at
        if left >= 1 and (not self._last_warning or at - self._last_warning >= _WARNING_INTERVAL):
            self._last_warning = at
            log.warning(
                "%s is being %s by %s; waiting for it, %.0f s at most (%s)",
                self._what, self._action, holder, left, VARIABLE,
            )  # fmt: skip


@contextmanager
def hold_lock(root: Path, name: str, what: str, waiting: LockWait) -> Iterator[None]:
    """Hold the lock ``name`` of the store at ``root`` while the block runs, or until this process dies.

    Raises:
        StoreError: another process still holds it when ``waiting`` ends, or the store cannot be written to.
    """
    path = path_of(root, name)
    with disk_full_as_store_error(what, root):
        _clean_up_once(root)
        lock = FileLock(path, timeout=0, thread_local=False)
        while not _try_acquire(lock):
            waiting.wait_or_raise(holder_of(root, name) or "another process")
            time.sleep(0.1)
    claim = {"pid": os.getpid(), "host": socket.gethostname(), "since": utc_now()}
    holder = path.with_suffix(".holder")
    try:
        write_bytes(holder, json.dumps(claim).encode())
        remove_partial_files(folder_of(root, name))
        yield
    finally:
        _release(lock, path, holder)


def holder_of(root: Path, name: str) -> str | None:
    """Return who holds a lock; None for nobody, or for a process of this machine that is dead."""
    try:
        claim = parse_json(path_of(root, name).with_suffix(".holder").read_bytes())
        if claim["host"] == socket.gethostname() and not _is_alive(int(claim["pid"])):
            return None
        return f"process {claim['pid']} on {claim['host']} since {claim['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file. What a dead one left of it is removed."""
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        if not _try_acquire(lock):
            return True
    except OSError:  # on a read-only disk, or another user's: not known, so nothing of it is touched
        return True
    _release(lock, path, path.with_suffix(".holder"))
    return False


def path_of(root: Path, name: str) -> Path:
    """Return the file of the lock ``name``."""
    return root / "locks" / f"{name}.lock"


def folder_of(root: Path, name: str) -> Path:
    """Return the folder that is written under the lock ``name``."""
    return (
        root / "runs" / name.removeprefix(RUN_PREFIX)
        if name.startswith(RUN_PREFIX)
        else root / "stages" / name
    )


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files from a folder whose lock is held, so that whoever wrote them is dead."""
    for pattern in _PARTIAL_FILES:
        for path in folder.rglob(pattern):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _clean_up_once(root: Path) -> None:
    """Clean up after killed processes, once per process and store."""
    if root not in _CLEANED_ROOTS:
        _CLEANED_ROOTS.add(root)
        clean_up(root)


def clean_up(root: Path) -> None:
    """Remove the locks of dead processes, and what they left half written under them."""
    for path in (root / "locks").glob("*.lock"):
        lock = FileLock(path, timeout=0, thread_local=False)
        with suppress(OSError):  # another user's, say
            if _try_acquire(lock):
                remove_partial_files(folder_of(root, path.stem))
                _release(lock, path, path.with_suffix(".holder"))
    for path in (root / "locks").glob(".*.holder.*.tmp"):  # written by who holds the lock
        with suppress(OSError):
            if not (path.parent / f"{path.name[1:].partition('.holder.')[0]}.lock").exists():
                path.unlink()


def _try_acquire(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _release(lock: FileLock, path: Path, holder: Path) -> None:
    """Remove the lock's files, then release it; a process that waits on a removed file opens it anew."""
    try:
        holder.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    finally:
        lock.release()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
