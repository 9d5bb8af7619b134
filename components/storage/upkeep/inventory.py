"""What lies in a store, folder by folder: sizes, ages, and what nobody needs any more."""

from __future__ import annotations

import re
from collections import defaultdict
from fnmatch import fnmatch

from components.storage.runs.usage_leases import USES
from components.storage.shards.shard import FOLDER as SHARDS
from components.storage.stage_store import WINDOWS
from components.storage.store_files import TRASH, FileFacts, StoreFiles
from components.storage.upkeep.references import KEY, RUNS, STAGES

IMPORTS, AUDIO = "imports", "audio"
"""Folders of a store for archives that are being imported, and for audio that came with one."""
_SHARD = re.compile(rf"{SHARDS}/[0-9a-f]{{2}}/([0-9a-f]{{64}})\.jsonl")
_DAMAGED = re.compile(r"[0-9a-f]{64}\.damaged-.*")
_PARTIAL = (".*.tmp", ".report-data.*", ".*.partial-*")


class Inventory:
    """All files of a store as they were when this was made.

    Attributes:
        facts: of every file, by name.
        keys: the stages, finished or not, sorted.
        shards: facts of every shard, by key.
        runs: the names of the runs, sorted.
    """

    def __init__(self, files: StoreFiles) -> None:
        self.facts = files.list_facts()
        self.keys = [name for name in files.list_folders(STAGES) if KEY.fullmatch(name)]
        self.runs = files.list_folders(RUNS)
        self.shards = {
            match[1]: facts for name, facts in self.facts.items() if (match := _SHARD.fullmatch(name))
        }
        folders: defaultdict[str, list[FileFacts]] = defaultdict(list)
        for name, facts in self.facts.items():
            folders["/".join(name.split("/")[:2])].append(facts)
        self._folders = {
            name: FileFacts(sum(file.bytes for file in files), max(file.modified for file in files))
            for name, files in folders.items()
        }

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(facts.bytes for facts in self.facts.values())

    def of_stage(self, key: str) -> FileFacts:
        """Return bytes of a stage, and when it was last written."""
        return self._folders.get(f"{STAGES}/{key}", FileFacts(0, 0.0))

    def of_run(self, name: str) -> FileFacts:
        """Return bytes of a run's own files, and when they were last written."""
        return self._folders.get(f"{RUNS}/{name}", FileFacts(0, 0.0))

    def bytes_of(self, keys: set[str]) -> int:
        """Return the bytes of several stages and shards together."""
        return sum((self.shards.get(key) or self.of_stage(key)).bytes for key in keys)

    def leftovers(self) -> dict[str, FileFacts]:
        """Return what killed processes and repairs left: files half written, set aside, or in the trash."""
        return {name: facts for name, facts in self.facts.items() if _is_leftover(name.split("/"))}

    def locks(self) -> dict[str, FileFacts]:
        """Return the files of locks, leases and notes of processes."""
        return {name: facts for name, facts in self.facts.items() if name.startswith(("locks/", f"{USES}/"))}


def _is_leftover(parts: list[str]) -> bool:
    if parts[0] in {TRASH, IMPORTS, WINDOWS}:
        return True
    if parts[0] == STAGES and _DAMAGED.fullmatch(parts[1]):
        return True
    return parts[0] in {STAGES, SHARDS, RUNS, AUDIO} and any(
        fnmatch(part, pattern) for part in parts[1:] for pattern in _PARTIAL
    )


def folder_of_leftover(name: str) -> str | None:
    """Return the folder that goes with a leftover; None where only the file goes, or the trash has it."""
    parts = name.split("/")
    whole = parts[0] == IMPORTS or (parts[0] == STAGES and _DAMAGED.fullmatch(parts[1]))
    return "/".join(parts[:2]) if whole else None
