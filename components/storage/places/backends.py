"""Storage backends: a local (shared) folder, or an object store with a local mirror."""

from __future__ import annotations

from components.storage.places.local_backend import LocalBackend
from components.storage.places.location import local_root, resolve_store_url
from components.storage.places.object_store_backend import ObjectStoreBackend


def open_backend(url: str | None) -> LocalBackend:
    """Open the backend that a store's URL names.

    Raises:
        ConfigError: the URL is wrong, or no client is installed for it.
    """
    root = local_root(url)
    return ObjectStoreBackend(resolve_store_url(url)) if root is None else LocalBackend(root)
