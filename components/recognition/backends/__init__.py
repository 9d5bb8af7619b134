"""The backends of recognition by name: entries of ``antiphon.recognizers``, a folder here each.

A row is read without importing torch or a backend's library; its methods import them when they are called.
"""

from __future__ import annotations

from components.extensions import Extensions, accept_class
from components.recognition.backends.backend import Backend

BACKENDS: Extensions[Backend] = Extensions(
    "antiphon.recognizers", "recognizer backend", accept_class(Backend)
)
"""Backend by its name in the configuration."""


def takes(backend: Backend, scheme: str) -> bool:
    """Return whether a backend may read models of a scheme: one of its own, or one that is nobody's."""
    if backend.schemes:
        return scheme in backend.schemes
    return not any(scheme in row.schemes for row in BACKENDS.values())


def names_where(fact: str) -> str:
    """Return the names of the backends that have a fact such as ``times_words``, as a message lists them."""
    return " or ".join(name for name, row in BACKENDS.items() if getattr(row, fact))
