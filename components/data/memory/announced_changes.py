"""Whether a data set has changed since it was looked at last."""

from __future__ import annotations

from collections.abc import Callable

from components.data.changes import list_files
from components.errors import DataError
from components.files.canonical_json import digest_of
from components.files.digests import cache_folder
from components.files.files import read_json, write_json
from components.files.locations.opening import facts_of_all


def note_changes(source: str | None, audio: str | None, announce: Callable[[], None]) -> bool:
    """Return whether files of a data set, or recordings, are new, gone or others than at the last call.

    Nothing of them is read. Of what is behind a URL its server is asked for the version.

    Args:
        source: the data set.
        audio: or the recordings.
        announce: tells of a change; where it raises, the change is not noted and is found again.

    Raises:
        DataError: there is no such file, or a server does not say.
    """
    versions = facts_of_all(list_files(source, audio))
    for version in versions.values():
        if isinstance(version, DataError):
            raise version
    seen = digest_of({name: [facts.size, facts.version] for name, facts in sorted(versions.items())})  # type: ignore[union-attr]
    file = cache_folder() / "announced" / f"{digest_of([source, audio])}.json"
    if file.is_file() and read_json(file).get("seen") == seen:
        return False
    announce()
    write_json(file, {"source": source, "audio": audio, "seen": seen})
    return True
