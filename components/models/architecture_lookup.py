"""The architecture of a model before it is fetched: of its files at most ``config.json`` is."""

from __future__ import annotations

import os
from pathlib import Path

from components.errors import AntiphonError
from components.models.adapted_references import split_adapters
from components.models.adapters import format_of_folder
from components.models.checkpoints import architecture_of
from components.models.references import split_reference
from components.models.sources import SOURCES


def find_architecture(reference: str, store: str | None = None) -> str:
    """Return the architecture that the configuration of a model names, as ``Wav2Vec2ForCTC``.

    Args:
        reference: of a model, with or without adapters.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.

    Returns:
        As :attr:`~components.records.Checkpoint.architecture`; empty where no configuration says it before
        the model is fetched or made, and where there is no such model (:func:`components.models.check` says
        why).
    """
    try:
        folder = _find_folder(split_adapters(reference)[0], store)
        if folder is None:
            return ""
        adapter_format = format_of_folder(folder)
        if adapter_format is not None:
            return find_architecture(adapter_format.base_of(reference, folder), store)
        return architecture_of(folder)
    except (AntiphonError, OSError):
        return ""


def _find_folder(reference: str, store: str | None) -> Path | None:
    """Return the folder with a model's configuration; None for references that name none."""
    scheme, name = split_reference(reference)
    if scheme == "path":
        return Path(os.path.expanduser(reference)).absolute()  # noqa: PTH111 - pathlib's raises for ~nobody
    return SOURCES[scheme].configuration_folder(name, store) if scheme in SOURCES else None
