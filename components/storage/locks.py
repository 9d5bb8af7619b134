"""One holder per name in a folder: stages and runs are locked by the system, which frees them when one dies.

``locks/NAME.lock`` is locked, ``locks/NAME.holder`` says who holds it. Both go when it is released; what a
killed process left of them, and of its half-written files, is tidied by the next that writes to the store.
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
from components.files import now, told_when_full, write_bytes

log = logging.getLogger("antiphon.store")
VARIABLE = "ANTIPHON_LOCK_SECONDS"
"""How long a stage that another writes is waited for; 600 unless set."""

RUN = "run-"
"""What the names of runs' locks begin with; those of stages are keys."""

_SAID_EVERY = 60.0
_HALF_WRITTEN = (".*.tmp", ".report-data.*")
_TIDIED: set[Path] = set()


def lock_seconds() -> float:
    """How long the environment says to wait for another's stage. ConfigError unless it is 0 or more."""
    text = os.environ.get(VARIABLE) or "600"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e7:
        raise ConfigError(f"{VARIABLE}: expected seconds, 0 or more, found {text!r}")
    return seconds


class Waiting:
    """Waiting for what another holds: says so at once and then now and then, and ends."""

    def __init__(self, what: str, seconds: float, instead: str = "use another store") -> None:
        self._what = what
        self._instead = instead
        self._until = time.monotonic() + seconds
        self._said = 0.0

    def go_on(self, holder: str) -> None:
        """Called while it is held by ``holder``.

        Raises:
            StoreError: it was waited for long enough; the message says who holds it.
        """
        at = time.monotonic()
        if at >= self._until:
            raise StoreError(f"{self._what} is being written by {holder}; wait for it, or {self._instead}")
        left = self._until - at
        if left >= 1 and (not self._said or at - self._said >= _SAID_EVERY):
            self._said = at
            log.warning(
                "%s is being written by %s; waiting for it, %.0f s at most (%s)",
                self._what, holder, left, VARIABLE,
            )  # fmt: skip


@contextmanager
def held(root: Path, name: str, what: str, waiting: Waiting) -> Iterator[None]:
    """Be the one holder of ``name`` in the store at ``root``, at most until this process dies.

    Raises:
        StoreError: another holds it and ``waiting`` is over; or the store cannot be written to.
    """
    path = root / "locks" / f"{name}.lock"
    with told_when_full(what, root):
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy_once(root)
        lock = FileLock(path, timeout=0, thread_local=False)
        while not _taken(lock):
            waiting.go_on(holder_of(root, name) or "another process")
            time.sleep(0.1)
    claim = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
    holder = path.with_suffix(".holder")
    try:
        write_bytes(holder, json.dumps(claim).encode())
        tidy(folder_of(root, name))
        yield
    finally:
        _released(lock, path, holder)


def holder_of(root: Path, name: str) -> str | None:
    """Who says to hold a name; None where nobody does, or a process of this machine that is dead."""
    try:
        claim = json.loads((root / "locks" / f"{name}.holder").read_bytes())
        if claim["host"] == socket.gethostname() and not _alive(int(claim["pid"])):
            return None
        return f"process {claim['pid']} on {claim['host']} since {claim['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def folder_of(root: Path, name: str) -> Path:
    """The folder that is written under the lock ``name``."""
    return root / "runs" / name.removeprefix(RUN) if name.startswith(RUN) else root / "stages" / name


def tidy(folder: Path) -> None:
    """Remove what was half written in a folder; its lock is held, so whoever wrote it is dead."""
    for pattern in _HALF_WRITTEN:
        for path in folder.rglob(pattern):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _tidy_once(root: Path) -> None:
    """Tidy up after those that died, once per process: every lock here that is free is such a one's."""
    if root in _TIDIED:
        return
    _TIDIED.add(root)
    for path in (root / "locks").glob("*.lock"):
        lock = FileLock(path, timeout=0, thread_local=False)
        with suppress(OSError):  # another user's, say
            if _taken(lock):
                tidy(folder_of(root, path.stem))
                _released(lock, path, path.with_suffix(".holder"))


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _released(lock: FileLock, path: Path, holder: Path) -> None:
    """Remove the lock's files, then let it go; who waits on a removed file sees it and opens anew."""
    try:
        holder.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    finally:
        lock.release()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
