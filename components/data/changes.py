"""The files of a data set: whether they have changed since the last look, and whether they are here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.data.files.named_sets import PARAGRAPHS, SAMPLES, find_multi30k_files, split_file_list
from components.data.files.sources import find_source
from components.data.folds import parse_fold
from components.data.recordings import find_recordings
from components.errors import DataError
from components.files.locations.location import is_remote
from components.files.locations.opening import facts_of_all, is_here


@contextmanager
def refuse_changes(source: str | None) -> Iterator[None]:
    """Refuse local files of a data set that change while the block reads them.

    Raises:
        DataError: one has.
    """
    files = [] if source is None else [file for file in list_files(source, None) if not is_remote(file)]
    before = facts_of_all(files)
    yield
    for file, now in facts_of_all(files).items():
        if now != before[file] and not isinstance(before[file], DataError):
            raise DataError(
                f"{file}: expected it to stay as it is while it is read, found that it changed; run it again "
                "when it is written"
            )


def are_here(source: str | None, audio: str | None) -> bool:
    """Return whether the files of a data set can be read without fetching any of them."""
    return all(map(is_here, list_files(source, audio)))


def list_files(source: str | None, audio: str | None) -> list[str]:
    """Return the locations of the files of a data set, or of recordings.

    Raises:
        DataError: a pattern or a folder has none.
    """
    if source is None:
        return find_recordings(audio or "")
    if fold := parse_fold(source):
        return list_files(fold.source, None)
    named = find_source(source.removeprefix(PARAGRAPHS))
    if named is not None:
        return [*named.files, *named.archives]
    if source.startswith("multi30k:"):
        return [str(file) for file in find_multi30k_files(source, None, None)]
    path = SAMPLES if source == "sample" else Path(source)
    several = None if path.is_file() else split_file_list(source)
    return [str(file) for file in several or [path]]
