"""The version of a store's layout, ``layout.json``: an older one is brought up to date, a newer one refused.

1  without ``layout.json``
2  runs note the stages that they use (``runs/NAME/working/``), and so do processes (``uses/``), so that
   ``antiphon store prune`` leaves them. No file of version 1 changes.
"""

from __future__ import annotations

import logging

from components.errors import StoreError
from components.files import encode_json
from components.json_text import parse_json
from components.storage.store_files import StoreFiles

log = logging.getLogger("antiphon.store")
LAYOUT, VERSION = "layout.json", 2
_current: set[str] = set()  # URLs of stores that are known to have the present version


def read_version(url: str, files: StoreFiles) -> int | None:
    """Return the version of a store's layout; None where nothing is stored yet.

    Raises:
        StoreError: ``layout.json`` is damaged, or of a version that is newer than this one knows.
    """
    content = files.read(LAYOUT)
    if content is None:
        return 1 if files.list_folders("runs") or files.list_folders("stages") else None
    return _parse_version(url, content)


def _parse_version(url: str, content: bytes) -> int:
    try:
        version = int(parse_json(content)["version"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise StoreError(
            f'{LAYOUT}: expected {{"version": N}}, found {content[:80]!r}; write the version of the Antiphon '
            f"that made the store there ({VERSION} is this one's)"
        ) from error
    if version > VERSION:
        raise StoreError(
            f"{url}: expected a store of layout {VERSION} or older, found layout {version}, of a newer "
            "Antiphon; upgrade antiphon, or use another store (--store)"
        )
    return version


def check_layout(url: str, files: StoreFiles) -> None:
    """Refuse a store that a newer Antiphon has made.

    Raises:
        StoreError: its layout is newer than this version knows.
    """
    if url in _current:
        return
    content = files.read(LAYOUT)
    if content is not None and _parse_version(url, content) == VERSION:
        _current.add(url)


def update_layout(url: str, files: StoreFiles) -> None:
    """Bring a store that is about to be written to the present version, and log what was done.

    Raises:
        StoreError: ``layout.json`` is damaged, or a newer version has written it meanwhile.
    """
    if url in _current and files.read(LAYOUT) is not None:
        return
    version = read_version(url, files)
    if version != VERSION:
        files.write(LAYOUT, encode_json({"version": VERSION}))
    if version is not None and version < VERSION:
        log.warning(
            "store %s: layout %d is now %d: runs note which stages they use; no stored file was changed",
            *(url, version, VERSION),
        )
    _current.add(url)
