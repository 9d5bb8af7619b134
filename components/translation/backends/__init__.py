"""The backends of translation by name: entries of ``antiphon.translators``, a folder here each.

A row is read without importing torch or a backend's library; its methods import them when they are called.
"""

from __future__ import annotations

from components.errors import ConfigError
from components.extensions import Extensions, accept_class
from components.models.references import split_reference
from components.translation.backends.backend import TranslatorBackend

OURS = "torch"
"""The setting of no backend by name: the one that reads the model decodes it, by our search where it can."""
DEFAULT = "encoder-decoder"
"""The backend of models that no other reads."""


BACKENDS: Extensions[TranslatorBackend] = Extensions(
    "antiphon.translators", "translator backend", accept_class(TranslatorBackend)
)
"""Backend by its name."""


def backend_for(architecture: str, name: str = OURS) -> TranslatorBackend:
    """Return the backend that is set by name, else the one that reads models of an architecture.

    Raises:
        ConfigError: The one that is set does not read them.
    """
    rows = (row for row in BACKENDS.values() if not row.only_by_name and row.reads(architecture))
    reader = next(rows, None) or BACKENDS[DEFAULT]
    if name == OURS:
        return reader
    if not BACKENDS[name].only_by_name and BACKENDS[name] is not reader:
        raise ConfigError(
            f"backend {name}: expected a model that it reads, found {architecture}: leave backend out"
        )
    return BACKENDS[name]


def libraries_of(name: str) -> tuple[str, ...]:
    """Return the libraries of the backend that is set by name; none where none is."""
    return () if name == OURS else BACKENDS[name].libraries


def backend_elsewhere(reference: str) -> TranslatorBackend | None:
    """Return the backend of a reference whose scheme it alone reads, as a served model's; None of others."""
    scheme, _ = split_reference(reference)
    return next((row for row in BACKENDS.values() if scheme in row.schemes), None)
