"""The content-addressed store: finished stages by key, runs by name.

``STORE/stages/<key>/``  plan.json, outputs.jsonl, errors.jsonl, DONE.json (last)
``STORE/runs/<name>/``   run.json, metrics.json, report.html, plots/
``STORE/locks/``         one lock per stage, freed by the system when its holder dies

On object storage the same names are objects (tasks/places.py); ``root`` is then the copy on this machine.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ConfigError, StoreError
from components.records import RunRecord, StageRef
from components.storage.mirror import SEAL, DamagedError
from tasks.files import file_digest, read_json, write_json
from tasks.keys import StagePlan, digest
from tasks.places import place_of

log = logging.getLogger("antiphon.store")
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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


class Store:
    """Where stages and runs are kept. Safe for several processes; on object storage, on several machines."""

    def __init__(self, url: str | None = None) -> None:
        self.place = place_of(url)
        self.root = self.place.root
        self.stages = self.root / "stages"
        self.runs = self.root / "runs"

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
        try:
            wrong = damage(folder) if self.place.bring(plan.key) else ""
        except DamagedError as error:
            wrong = str(error)
        if wrong is None:
            return stage_ref(folder, reused=True)
        if wrong:
            log.warning("stage %s (%s) is damaged and will be computed again: %s", plan.stage, folder, wrong)
        return None

    def at_hand(self, ref: StageRef) -> StageRef:
        """A finished stage that another machine may have named, as it can be read here. StoreError."""
        return self.place.at_hand(ref)

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
            name = check_run_name(stem if number == 1 else f"{stem}-{number}")
            if self.place.claim_run(name):
                return self.run_folder(name)
        raise StoreError(f"a thousand runs named {stem} in {self.place.url}; give this one a name")

    def save_run(self, run: RunRecord) -> Path:
        """Write ``run.json`` and ``metrics.json`` of a run; gives back its folder."""
        folder = self.run_folder(run.name)
        values = run.model_dump(mode="json")
        write_json(folder / "metrics.json", values["metrics"])
        write_json(folder / "run.json", values)
        self.place.send_run(run.name)
        return folder

    def load_run(self, name: str) -> RunRecord:
        """The record of the run ``name``.

        Raises:
            StoreError: no such run here, or its record is damaged.
        """
        folder = self.run_folder(name)
        self.place.bring_run(name)
        if not folder.is_dir():
            known = ", ".join(self.place.run_names()[-5:])
            raise StoreError(
                f"no run {name!r} in {self.place.url}/runs; the latest are: {known or 'none yet'}"
            )
        run = RunRecord.model_validate(read_json(folder / "run.json"))
        return run.model_copy(update={"stages": tuple(map(self.at_hand, run.stages))})


def damage(folder: Path) -> str | None:
    """What is wrong with a finished stage, in a few words; None if its digests verify."""
    try:
        done = read_json(folder / SEAL)
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
    done = read_json(folder / SEAL)
    return StageRef.model_validate({**_described(done), "path": str(folder), "reused": reused})


def _described(done: dict[str, object]) -> dict[str, object]:
    fields = ("stage", "key", "items", "quarantined", "sha256", "seconds", "peak_memory_bytes")
    return {name: done[name] for name in fields} | {"content": done.get("content")}
