"""The location of a store: a local folder, or objects below a URL."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from components.errors import ConfigError
from components.files.redaction import redact

STORE_VARIABLE = "ANTIPHON_STORE"
IN_STORE = "store:"
"""Begins the name of what lies in the store: a run, or a data set such as ``store:kept/NAME``."""


def resolve_store_url(url: str | None) -> str:
    """Return the store to use: ``url``, else ANTIPHON_STORE, else ``antiphon-store`` in this folder."""
    return url or os.environ.get(STORE_VARIABLE) or "antiphon-store"


def local_root(url: str | None) -> Path | None:
    """Return the folder of a store given as a path or ``file://`` URL; None for objects.

    Raises:
        ConfigError: a path that is no folder, a ``file://`` URL of another host, a URL of several, or
            credentials inside a URL (URLs are shown).
    """
    url = resolve_store_url(url)
    if "://" not in url:
        return _check_folder(Path(url).expanduser())
    if redact(url) != url or "?" in url:
        visible, options, _ = redact(url).partition("?")
        raise ConfigError(
            f"store: expected a URL without credentials and options, found {visible}{options}; set "
            "them in the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and the like)"
        )
    parts = urlsplit(url)
    if "::" in url or not parts.scheme:
        raise ConfigError(f"store: expected one URL such as s3://bucket/folder, found {url!r}")
    if parts.scheme == "file":
        if parts.netloc in {"", "localhost"}:
            return _check_folder(Path(unquote(parts.path)))
        raise ConfigError(f"store: expected file:///path, found {url!r}, on another host")
    if not parts.netloc:
        raise ConfigError(f"store: expected {parts.scheme}://bucket/folder, found {url!r}, without a bucket")
    return None


def find_in_store(source: str | None, url: str | None) -> str | None:
    """Return the path of what lies in a store, ``store:FOLDER/NAME``; anything else as it is.

    Raises:
        ConfigError: it points out of the store, or that is no folder.
    """
    if source is None or not source.startswith(IN_STORE):
        return source
    root, path = local_root(url), Path(source.removeprefix(IN_STORE))
    if root is None:
        raise ConfigError(f"{source}: expected a store in a folder, found object storage; name a file")
    if path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{source}: expected a path inside the store, found one that leaves it")
    return str(root / path)


def _check_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise ConfigError(f"store: expected a folder, found a file: {path}; name another one")
    return path.absolute()
