"""References of adapters -> their folders on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigError, ModelError
from components.models.adapters.config import ADAPTER_CONFIG
from components.models.packages.wheels import ProgressCallback
from components.models.references import display_reference, split_reference

if TYPE_CHECKING:
    from components.models.adapters.tensors import Adapter


def resolve_adapter(reference: str, store: str | None, on_progress: ProgressCallback) -> Adapter:
    """Find the PEFT folder of ``hub:``, ``store:`` or a path, and read its tables.

    Args:
        reference: names the adapter.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        on_progress: called with lines of text while it is fetched.

    Raises:
        ConfigError: It is no reference of an adapter.
        ModelError: There is no such adapter, or it cannot be merged.
    """
    from components.models.adapters.tensors import open_adapter  # noqa: PLC0415 - its users read tensors

    check_adapter(reference)
    scheme, name = split_reference(reference)
    if scheme == "hub":
        from components.models.sources.hub import adapter_files  # noqa: PLC0415 - imports the hub's client

        folder = adapter_files(name, on_progress)
    elif scheme == "store":
        from components.models.sources.store import stage_folder  # noqa: PLC0415

        folder = stage_folder(name, store, ADAPTER_CONFIG)[0]
    else:
        folder = _path(reference)
    return open_adapter(folder, reference)


def check_adapter(reference: str) -> None:
    """Refuse what can be no adapter, without fetching it. Raises as :func:`resolve_adapter`."""
    scheme, name = split_reference(reference)
    if scheme == "hub":
        from components.models.sources.hub import check_name  # noqa: PLC0415 - imports the hub's client

        check_name(name)
    elif scheme == "path":
        if not (_path(reference) / ADAPTER_CONFIG).is_file():
            raise ModelError(
                f"{display_reference(reference)}: expected an adapter's folder with {ADAPTER_CONFIG}, found "
                "none"
            )
    elif scheme not in {"store", "node"}:
        raise ConfigError(
            f"adapter: expected hub:ORG/NAME, store:KEY, node:NAME or a folder, found "
            f"{display_reference(reference)!r}"
        )


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter and no model."""
    # pathlib's raises for a name that is too long
    return os.path.isfile(folder / ADAPTER_CONFIG) and not os.path.isfile(folder / "config.json")  # noqa: PTH113


def _path(reference: str) -> Path:
    return Path(os.path.expanduser(reference)).absolute()  # noqa: PTH111 - pathlib's raises for ~nobody
