"""Data sets of written text that were stored before: files that have not changed are not read again.

What a source gave is remembered in the cache folder by the names, sizes and times of its files. Recordings
may change behind a manifest that does not, so a data set that names any is read again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.data.files.named_sets import find_multi30k_files, split_file_list
from components.data.files.sources import find_source
from components.data.folds import parse_fold
from components.errors import AntiphonError, StoreError
from components.files.canonical_json import digest_of
from components.files.digests import RECENT_NANOSECONDS, cache_folder
from components.files.files import read_json, write_json
from components.run_record import StageRef
from components.storage.stages.seal import SEAL, stage_ref
from components.storage.store import Store


class RememberedSet:
    """A data set as it would be remembered.

    Args:
        source: as the user names it.
        options: that decide what is made of it.
        store: that keeps it.
    """

    def __init__(self, source: str, options: Mapping[str, Any], store: Store) -> None:
        self._store = store
        self._file: Path | None = None
        stamps = _stamp_files(source, options)
        if stamps is not None:
            name = digest_of([source, dict(options), stamps, store.backend.url])
            self._file = cache_folder() / "data" / f"{name}.json"

    def recall(self) -> StageRef | None:
        """Return its finished stage, verified; None where it is not remembered or not there any more."""
        if self._file is None or not self._file.is_file():
            return None
        try:
            seal = self._store.load_seal(str(read_json(self._file)[SEAL]))
        except (StoreError, KeyError):
            return None
        return stage_ref(seal, self._store.stage_folder(seal.key), reused=True)

    def remember(self, ref: StageRef) -> None:
        """Remember the stage that it gave; a cache that cannot be written costs time, nothing else."""
        if self._file is not None:
            try:
                write_json(self._file, {SEAL: ref.key})
            except (OSError, StoreError):
                return


def _stamp_files(source: str, options: Mapping[str, Any]) -> list[list[object]] | None:
    """Return name, size and times of the files of a source; None where they do not tell a change."""
    try:
        files = _files_of(source, options)
        states = [(str(path.absolute()), path.stat()) for path in files]
    except (AntiphonError, OSError, ValueError):
        return None
    newest = max((max(state.st_mtime_ns, state.st_ctime_ns) for _, state in states), default=0)
    if not states or time.time_ns() - newest < RECENT_NANOSECONDS:
        return None
    return [[name, state.st_size, state.st_mtime_ns, state.st_ctime_ns] for name, state in states]


def _files_of(source: str, options: Mapping[str, Any]) -> list[Path]:
    """Return the plain local files that a source stands for; none of what is an archive or elsewhere."""
    if fold := parse_fold(source):
        return _files_of(fold.source, options)
    if source.startswith("multi30k:"):
        return find_multi30k_files(source, *options["languages"])
    if find_source(source) is not None:
        return []
    return [Path(source)] if Path(source).is_file() else split_file_list(source) or []
