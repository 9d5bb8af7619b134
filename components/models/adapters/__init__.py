"""Adapters that are merged into their bases: forms of them, entries of ``antiphon.adapters``."""

from __future__ import annotations

from pathlib import Path

from components.errors import ConfigError
from components.extensions import Extensions, accept_class
from components.models.adapters.format import AdapterFormat

ADAPTERS: Extensions[AdapterFormat] = Extensions(
    "antiphon.adapters", "form of adapters", accept_class(AdapterFormat)
)


def format_of_folder(folder: Path) -> AdapterFormat | None:
    """Return the form of the adapter in a folder; None where it holds a model, or nothing."""
    return next((row for row in ADAPTERS.values() if row.is_adapter(folder)), None)


def format_of_references() -> AdapterFormat:
    """Return the form of the adapters that ``BASE+ADAPTER`` names. ConfigError where there is none."""
    row = next(iter(ADAPTERS.values()), None)
    if row is None:
        raise ConfigError("model: expected a form of adapters among the entry points, found none")
    return row
