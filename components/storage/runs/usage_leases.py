"""What is in use: notes by which runs and processes keep stages from ``antiphon store prune``.

Whoever reads or writes a stage notes its key *before* it looks whether the stage is there:

``runs/NAME/working/KEY``  by a run, until it has completed; one that was interrupted keeps its notes
``uses/PROCESS.keys``      by every process that reads a local store, under a lock that dies with it

Prune holds the lock ``prune``, writes ``locks/condemned.json`` with the keys that it means to remove, reads
the notes, then the records of runs, and removes what neither names. A process that notes a condemned key
waits for that lock. So of the two that act at the same time, at least one sees the other: either prune reads
the note and leaves the stage, or the process finds its key condemned, waits, and sees what is left.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from components.files.json_text import parse_json
from components.storage.places.locks import is_held
from components.storage.store_files import StoreFiles

PRUNE = "prune"
"""Name of the lock that prune holds."""
CONDEMNED = "locks/condemned.json"
USES, WORKING = "uses", "working"

_runs: dict[str, dict[str, set[str]]] = {}  # store -> runs at work in this process -> keys that they noted
_processes: dict[Path, ProcessNotes] = {}
_guard = threading.RLock()


class ProcessNotes:
    """The keys of stages of a local store that this process has read or written, until it ends."""

    def __init__(self, root: Path) -> None:
        self._pid = os.getpid()
        self._path = root / USES / f"{self._pid}-{secrets.token_hex(4)}.keys"
        self._keys: set[str] = set()
        self._lock = FileLock(self._path.with_suffix(".lock"), timeout=1, thread_local=False)
        self._lock.acquire()  # a prune that looks whether a dead process left it holds it for a moment
        self._path.touch()
        atexit.register(self.close)

    def note(self, key: str) -> bool:
        """Note a key; return False if it was noted before."""
        if key in self._keys:
            return False
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{key}\n")
        self._keys.add(key)
        return True

    def is_valid(self) -> bool:
        """Return whether these are the notes of this process, and still where they were."""
        return self._pid == os.getpid() and self._path.exists()

    def close(self) -> None:
        """Take the notes back."""
        if self._pid == os.getpid():  # not in a process that was forked from this one
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
                self._path.with_suffix(".lock").unlink(missing_ok=True)
            self._lock.release()


class UsageLeases:
    """The notes of one store.

    Args:
        url: of the store.
        files: its files.
        root: folder of a local store, whose processes are watched; None for an object store, which is read
            from a copy.
        hold_prune: takes the lock of prune.
    """

    def __init__(
        self,
        url: str,
        files: StoreFiles,
        root: Path | None,
        hold_prune: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._url = url
        self._files = files
        self._root = root
        self._hold_prune = hold_prune

    @contextmanager
    def by_run(self, name: str) -> Iterator[None]:
        """Note what this process uses as used by the run ``name``, too, while the block runs."""
        with _guard:
            _runs.setdefault(self._url, {})[name] = set()
        try:
            yield
        finally:
            with _guard:
                _runs[self._url].pop(name, None)

    def note(self, key: str) -> None:
        """Note that a stage is in use, before it is looked for; waits where it is being removed.

        Raises:
            StoreError: it is still being removed after ``ANTIPHON_LOCK_SECONDS``.
        """
        with _guard:
            news = [(name, keys) for name, keys in _runs.get(self._url, {}).items() if key not in keys]
            for name, keys in news:
                self._files.mark(f"runs/{name}/{WORKING}/{key}")
                keys.add(key)
            is_new = _note_for_process(self._root, key) or bool(news)
        if is_new and key in parse_json(self._files.read(CONDEMNED) or b"[]"):
            with self._hold_prune():  # waits for prune, or finds it dead
                self.pardon()

    def clear_run(self, name: str) -> None:
        """Remove the notes of a run that has completed."""
        for mark in self._files.list_facts(f"runs/{name}/{WORKING}"):
            self._files.remove(mark)
        if self._root is not None:
            with suppress(OSError):
                (self._root / "runs" / name / WORKING).rmdir()

    def condemn(self, keys: Iterable[str]) -> None:
        """Say which stages are to be removed; the lock of prune is held."""
        self._files.write(CONDEMNED, json.dumps(sorted(keys)).encode())

    def pardon(self) -> None:
        """Say that no stage is to be removed any more; the lock of prune is held."""
        self._files.remove(CONDEMNED)

    def read_notes(self, runs: Iterable[str] | None = None) -> set[str]:
        """Return the keys that runs and living processes have noted; notes of dead processes are removed.

        Args:
            runs: the runs whose notes count; None for all.
        """
        counted = None if runs is None else set(runs)
        keys = {
            parts[3]
            for parts in (name.split("/") for name in self._files.list_facts("runs"))
            if parts[2:3] == [WORKING] and (counted is None or parts[1] in counted)
        }
        for path in [] if self._root is None else (self._root / USES).glob("*.keys"):
            if is_held(path.with_suffix(".lock")):
                with suppress(FileNotFoundError):
                    keys |= set(path.read_text(encoding="ascii").split())
            else:
                path.unlink(missing_ok=True)
        return keys

    def clean_up(self) -> None:
        """Remove the locks of processes that died before they noted anything."""
        for path in [] if self._root is None else (self._root / USES).glob("*.lock"):
            if not path.with_suffix(".keys").exists():
                is_held(path)


def _note_for_process(root: Path | None, key: str) -> bool:
    """Note a key for this process; return False if it was noted, or where nothing can be written."""
    if root is None or not root.is_dir():
        return False
    try:
        if root not in _processes or not _processes[root].is_valid():
            _processes[root] = ProcessNotes(root)
        return _processes[root].note(key)
    except OSError:
        return False
