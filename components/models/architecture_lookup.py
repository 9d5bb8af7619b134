"""The architecture of a model before it is fetched: of its files at most ``config.json`` is."""

from __future__ import annotations

import os
from pathlib import Path

from components.errors import AntiphonError
from components.models.adapted_references import split_adapters
from components.models.adapters.config import ADAPTER_CONFIG
from components.models.adapters.sources import base_of_adapter, is_adapter
from components.models.checkpoints import architecture_of
from components.models.references import split_reference


def find_architecture(reference: str, store: str | None = None) -> str:
    """Return the architecture that the configuration of a model names, as ``Wav2Vec2ForCTC``.

    Args:
        reference: Of a model, with or without adapters.
        store: Folder or URL of the store that ``store:KEY`` refers to; None for the default.

    Returns:
        As :attr:`~components.records.Checkpoint.architecture`; empty where no configuration says it before
        the model is fetched or made, and where there is no such model (:func:`components.models.check` says
        why).
    """
    try:
        folder = _find_folder(split_adapters(reference)[0], store)
        if folder is None:
            return ""
        if is_adapter(folder):
            return find_architecture(base_of_adapter(reference, folder), store)
        return architecture_of(folder)
    except (AntiphonError, OSError):
        return ""


def _find_folder(reference: str, store: str | None) -> Path | None:
    """The folder with a model's configuration; None for references that name none."""
    scheme, name = split_reference(reference)
    if scheme == "path":
        return Path(os.path.expanduser(reference)).absolute()  # noqa: PTH111 - pathlib's raises for ~nobody
    if scheme == "store":
        from components.models.sources.store import stage_folder  # noqa: PLC0415

        return stage_folder(name, store, "config.json", ADAPTER_CONFIG)[0]
    if scheme == "hub":
        from components.models.sources.hub import configuration_folder  # noqa: PLC0415 - the hub's client

        return configuration_folder(name)
    return None
