"""What refers to a stage: the records of runs, and the plans of other stages.

Every key that stands anywhere in a run's record or a stage's plan counts: as the key of a stage, of what a
stage reads, or inside ``store:KEY``, also where only its first digits are written. That may keep a stage too
many, and never one too few.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from components.files.json_text import parse_json
from components.storage.runs.run_records import FAILED, RECORD, check_record
from components.storage.stages.seal import SEAL
from components.storage.store_files import StoreFiles

STAGES, RUNS = "stages", "runs"
KEY = re.compile(r"[0-9a-f]{64}")
_KEYS = re.compile(rb"(?<![0-9a-f])(?:store:)?([0-9a-f]{64})(?![0-9a-f])")
_STARTS = re.compile(rb"store:([0-9a-f]{8,63})(?![0-9a-f])")


def list_keys(files: StoreFiles) -> list[str]:
    """Return the keys of all stages of a store, finished or not, sorted."""
    return [name for name in files.list_folders(STAGES) if KEY.fullmatch(name)]


def keys_in(content: bytes, keys: Sequence[str]) -> set[str]:
    """Return those of ``keys`` (sorted) that a record or a plan names."""
    named = set()
    for start in {match.decode() for match in (*_KEYS.findall(content), *_STARTS.findall(content))}:
        position = bisect_left(keys, start)
        while position < len(keys) and keys[position].startswith(start):
            named.add(keys[position])
            position += 1
    return named


class References:
    """What the runs and stages of a store refer to, as it is now.

    Args:
        files: the store's.
        keys: its stages, sorted.
    """

    def __init__(self, files: StoreFiles, keys: Sequence[str]) -> None:
        self._files = files
        self._keys = keys
        self._known = frozenset(keys)
        self.read_by: Callable[[str], set[str]] = cache(self._read_by)

    def of_run(self, name: str) -> set[str]:
        """Return the keys that a run's records name, without those that these stages read.

        Raises:
            StoreError: its record is damaged, so that what it refers to is not known.
        """
        named = set()
        for file in (RECORD, FAILED):
            content = self._files.read(f"{RUNS}/{name}/{file}")
            if content is not None:
                check_record(content, f"{RUNS}/{name}/{file}")
                named |= keys_in(content, self._keys)
        return named

    def close(self, keys: Iterable[str]) -> set[str]:
        """Return stages and all that they read, directly or not."""
        reached: set[str] = set()
        pending = [key for key in keys if key in self._known]
        while pending:
            key = pending.pop()
            if key not in reached:
                reached.add(key)
                pending += self.read_by(key)
        return reached

    def shards_of(self, keys: Iterable[str]) -> set[str]:
        """Return the shards of stages."""
        return {shard for key in keys for shard in _read_shard_keys(self._seal_of(key))}

    def _read_by(self, key: str) -> set[str]:
        return keys_in(self._seal_of(key), self._keys) - {key}

    def _seal_of(self, key: str) -> bytes:
        return self._files.read(f"{STAGES}/{key}/{SEAL}") or b""


def _read_shard_keys(seal: bytes) -> list[str]:
    """Return the keys of the shards that a seal names; none of one that is damaged or not there."""
    try:
        return [str(shard[0]) for shard in parse_json(seal)["shards"]]
    except (ValueError, KeyError, TypeError, IndexError):
        return []


def read_systems(content: bytes) -> dict[str, str]:
    """Return the runs that the record of a comparison refers to, system -> run; empty of a damaged one."""
    try:
        return dict(parse_json(content).get("systems") or {})
    except (ValueError, AttributeError, TypeError):
        return {}
