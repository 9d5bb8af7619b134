"""The content-addressed store: finished stages by key, runs by name.

``STORE/stages/<key>/``  plan.json, outputs.jsonl, errors.jsonl, DONE.json (last)
``STORE/runs/<name>/``   run.json, metrics.json, report.html, plots/
``STORE/locks/``         one lock per stage, freed by the system when its holder dies
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from components.errors import ConfigError, StoreError
from components.records import RunRecord, StageRef
from tasks.files import file_digest, read_json, write_bytes, write_json
from tasks.keys import StagePlan, digest

log = logging.getLogger("antiphon.store")
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def local_root(url: str | None) -> Path:
    """Folder of a store: a path or ``file://`` URL; by default ANTIPHON_STORE or ``./antiphon-store``.

    Raises:
        ConfigError: another scheme, or a ``file://`` URL of another host.
    """
    url = url or os.environ.get("ANTIPHON_STORE") or "antiphon-store"
    if "://" not in url:
        return Path(url).expanduser().absolute()
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return Path(unquote(parts.path)).absolute()
    raise ConfigError(
        f"expected a store as a local path or file:///path, found {url!r}; "
        "stores on object storage are not supported yet"
    )


def check_run_name(name: str) -> str:
    """The name, if it can be the name of a folder and of nothing else.

    Raises:
        ConfigError: separators, a leading dot, odd characters or more than 100 of them.
    """
    if not _RUN_NAME.fullmatch(name) or name.endswith("."):
        raise ConfigError(
            f"expected a run name of letters, digits, '.', '_' and '-' (at most 100, no leading dot), "
            f"found {name!r}"
        )
    return name


def now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """Where stages and runs are kept. Safe for several processes on one machine."""

    def __init__(self, url: str | None = None) -> None:
        self.root = local_root(url)
        self.stages = self.root / "stages"
        self.runs = self.root / "runs"
        self.locks = self.root / "locks"

    # Stages

    def folder(self, key: str) -> Path:
        """Where the stage with this key is or would be."""
        return self.stages / key

    def find(self, plan: StagePlan) -> StageRef | None:
        """The finished stage of a plan with its files' digests verified, or None.

        A finished stage whose files do not match is reported as a warning and not returned: it is set
        aside and computed again by whoever opens it for writing.
        """
        folder = self.folder(plan.key)
        if not (folder / "DONE.json").is_file():
            return None
        wrong = damage(folder)
        if wrong is not None:
            log.warning("stage %s (%s) is damaged and will be computed again: %s", plan.stage, folder, wrong)
            return None
        return stage_ref(folder, reused=True)

    def set_aside(self, plan: StagePlan) -> None:
        """Move a damaged stage out of the way, keeping it for whoever wants to look at it."""
        folder = self.folder(plan.key)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        folder.rename(folder.with_name(f"{plan.key}.damaged-{stamp}"))

    @contextmanager
    def sole_writer(self, name: str, what: str) -> Iterator[None]:
        """Hold the lock ``name``; the system frees it when this process dies.

        Raises:
            StoreError: another process (or thread) holds it; the message says which, and since when.
        """
        self.locks.mkdir(parents=True, exist_ok=True)
        holder = self.locks / f"{name}.holder"
        lock = FileLock(self.locks / f"{name}.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"{what} is being written by {_holder(holder)}; wait for it, or use another store"
            ) from None
        try:
            claim = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
            write_bytes(holder, json.dumps(claim).encode())
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    # Runs

    def run_folder(self, name: str) -> Path:
        """Folder of the run ``name``; it need not exist.

        Raises:
            ConfigError: the name cannot be a folder's.
        """
        return self.runs / check_run_name(name)

    def new_run(self, flow: str, name: str | None = None) -> Path:
        """Create the folder of a run, named after the time and the flow unless a name is given."""
        if name is not None:
            folder = self.run_folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        stem = f"{datetime.now(UTC).strftime('%Y-%m-%d-%H%M%S')}-{flow}"
        for number in range(1, 1000):
            folder = self.run_folder(stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise StoreError(f"a thousand runs named {stem} in {self.runs}; give this one a name")

    def save_run(self, run: RunRecord) -> Path:
        """Write ``run.json`` and ``metrics.json`` of a run; gives back its folder."""
        folder = self.run_folder(run.name)
        values = run.model_dump(mode="json")
        write_json(folder / "metrics.json", values["metrics"])
        write_json(folder / "run.json", values)
        return folder

    def load_run(self, name: str) -> RunRecord:
        """The record of the run ``name``.

        Raises:
            StoreError: no such run here, or its record is damaged.
        """
        folder = self.run_folder(name)
        if not folder.is_dir():
            known = sorted(path.name for path in self.runs.glob("*") if path.is_dir())[-5:]
            raise StoreError(
                f"no run {name!r} in {self.runs}; the latest are: {', '.join(known) or 'none yet'}"
            )
        return RunRecord.model_validate(read_json(folder / "run.json"))


def _holder(path: Path) -> str:
    try:
        claim = json.loads(path.read_bytes())
        return f"process {claim['pid']} on {claim['host']} since {claim['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def damage(folder: Path) -> str | None:
    """What is wrong with a finished stage, in a few words; None if its digests verify."""
    try:
        done = read_json(folder / "DONE.json")
        for name, expected in done["files"].items():
            found = file_digest(folder / name)
            if found != expected:
                return f"{name} has sha256 {found[:12]}…, expected {expected[:12]}…"
        if digest(done["files"]) != done["sha256"]:
            return "DONE.json does not match its own digest"
        StageRef.model_validate({**_described(done), "path": str(folder), "reused": True})
    except (StoreError, OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def stage_ref(folder: Path, *, reused: bool) -> StageRef:
    """The reference to a finished stage, from its DONE.json."""
    done = read_json(folder / "DONE.json")
    return StageRef.model_validate({**_described(done), "path": str(folder), "reused": reused})


def _described(done: dict[str, object]) -> dict[str, object]:
    fields = ("stage", "key", "items", "quarantined", "sha256", "seconds", "peak_memory_bytes")
    return {name: done[name] for name in fields}
