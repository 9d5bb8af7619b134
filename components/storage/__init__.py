"""Where a store is: a local folder, or objects behind an fsspec URL with a copy of what is used here."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from components.errors import ConfigError

STORE_VARIABLE = "ANTIPHON_STORE"


def store_url(url: str | None) -> str:
    """The store that is meant: ``url``, else ANTIPHON_STORE, else ``antiphon-store`` in this folder."""
    return url or os.environ.get(STORE_VARIABLE) or "antiphon-store"


def local_root(url: str | None) -> Path | None:
    """Folder of a store that is a path or a ``file://`` URL; None where it is another fsspec URL.

    Raises:
        ConfigError: a ``file://`` URL of another host, or credentials inside a URL (URLs are shown).
    """
    url = store_url(url)
    if "://" not in url:
        return Path(url).expanduser().absolute()
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc in {"", "localhost"}:
            return Path(unquote(parts.path)).absolute()
        raise ConfigError(f"store: expected file:///path, found {url!r}, on another host")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"store: expected a URL without credentials, found some in {parts.scheme}://…@{parts.hostname}; "
            "set them in the environment (AWS_ACCESS_KEY_ID and the like)"
        )
    if not parts.netloc:
        raise ConfigError(f"store: expected {parts.scheme}://bucket/folder, found {url!r}, without a bucket")
    return None
