"""The version of a store's layout, ``layout.json``: a store of another version is refused."""

from __future__ import annotations

from components.errors import StoreError
from components.files.files import encode_json
from components.files.json_text import parse_json
from components.storage.store_files import StoreFiles

LAYOUT, VERSION = "layout.json", 4
_current: set[str] = set()  # URLs of stores that are known to have the present version


def check_layout(url: str, files: StoreFiles) -> None:
    """Refuse a store that another version of Antiphon has made.

    Raises:
        StoreError: its layout is another, or ``layout.json`` is damaged.
    """
    if url in _current:
        return
    content = files.read(LAYOUT)
    if content is not None:
        _check_version(url, content)
        _current.add(url)
    elif files.list_folders("runs") or files.list_folders("stages") or files.list_folders("shards"):
        raise StoreError(
            f"{url}: expected a store of layout {VERSION}, found one without {LAYOUT}, of an older Antiphon; "
            "use another store (--store)"
        )


def mark_layout(url: str, files: StoreFiles) -> None:
    """Write the present version into a store that is about to be written to, if it is new.

    Raises:
        StoreError: ``layout.json`` is damaged, or another version has written it meanwhile.
    """
    content = files.read(LAYOUT)
    if content is None:
        files.write(LAYOUT, encode_json({"version": VERSION}))
    elif url not in _current:
        _check_version(url, content)
    _current.add(url)


def _check_version(url: str, content: bytes) -> None:
    try:
        version = int(parse_json(content)["version"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise StoreError(
            f'{url}: {LAYOUT}: expected {{"version": {VERSION}}}, found {content[:80]!r}; write that '
            "there if this Antiphon made the store"
        ) from error
    if version != VERSION:
        made_by = "a newer Antiphon; upgrade it, or" if version > VERSION else "an older Antiphon;"
        raise StoreError(
            f"{url}: expected a store of layout {VERSION}, found layout {version}, of {made_by} use another "
            "store (--store)"
        )
