"""Storage backends: a local (shared) folder, or, by its scheme, what an entry point brings."""

from __future__ import annotations

from collections.abc import Callable

from components.errors import ConfigError
from components.extensions import Extensions, accept_callable
from components.storage.places.local_backend import LocalBackend
from components.storage.places.location import local_root, resolve_store_url

STORES: Extensions[Callable[[str], LocalBackend]] = Extensions("antiphon.stores", "store", accept_callable)
"""Scheme of a URL -> opens the backend of a store there."""


def open_backend(url: str | None) -> LocalBackend:
    """Open the backend that a store's URL names.

    Raises:
        ConfigError: the URL is wrong, or nothing that is installed reaches it.
    """
    root = local_root(url)
    if root is not None:
        return LocalBackend(root)
    resolved = resolve_store_url(url)
    scheme = resolved.partition("://")[0]
    if scheme not in STORES:
        known = ", ".join(f"{name}://bucket/folder" for name in sorted(STORES, reverse=True))
        raise ConfigError(f"store: expected a path, {known}, found {scheme}://; take one of these")
    return STORES[scheme](resolved)
