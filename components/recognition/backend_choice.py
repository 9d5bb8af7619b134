"""Which backend reads a model: the one that is set, else that of the model's architecture."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from components.models.adapted_references import split_adapters
from components.models.architecture_lookup import find_architecture
from components.models.references import split_reference
from components.recognition.backends import BACKENDS, takes
from components.recognition.backends.backend import Backend
from components.recognition.config import AUTO, RecognitionConfig

C = TypeVar("C", bound=RecognitionConfig)
DEFAULT = "whisper"
"""The backend of a model of which nothing says what it is: its check then says what is wrong."""
NOTHING_MADE: Mapping[str, str] = MappingProxyType({})


def infer_backend(reference: str, store: str | None, made: Mapping[str, str] = NOTHING_MADE) -> str:
    """Return the name of the backend that reads a model.

    Args:
        reference: of the model.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        made: architecture of each model ``node:NAME`` that another node makes.

    Returns:
        :data:`DEFAULT` where no configuration says more.
    """
    base, names = split_adapters(reference)[0], _names_by_scheme(reference)
    if len(names) == 1:
        return names[0]
    architecture = (made.get(base) or find_architecture(base, store)).lower()
    readers = (name for name in names if architecture.startswith(BACKENDS[name].architectures))
    return next(readers, DEFAULT)


def _names_by_scheme(reference: str) -> list[str]:
    scheme = split_reference(split_adapters(reference)[0])[0]
    return [name for name, row in BACKENDS.items() if takes(row, scheme) and not row.only_by_name]


def stated_backend(config: RecognitionConfig) -> str:
    """Return the backend that is set, else the only one that takes the model's scheme, else the default.

    No model is looked at.
    """
    if config.backend != AUTO:
        return config.backend
    names = _names_by_scheme(config.model)
    return names[0] if len(names) == 1 else DEFAULT


def with_backend(config: C, store: str | None = None, made: Mapping[str, str] = NOTHING_MADE) -> C:
    """Return a configuration whose backend is the one that reads its model, unless one is set.

    Args: as :func:`infer_backend`.
    """
    if config.backend != AUTO:
        return config
    return config.model_copy(update={"backend": infer_backend(config.model, store, made)})


def backend_of(config: RecognitionConfig, store: str | None = None) -> Backend:
    """Return the row of the backend that is set, or that reads the configuration's model."""
    return BACKENDS[with_backend(config, store).backend]
