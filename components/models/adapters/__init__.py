"""Adapters that are merged into their bases: forms of them, entries of ``antiphon.adapters``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions
from components.models.adapters.format import AdapterFormat


def _accept(name: str, value: str, adapter_format: Any) -> AdapterFormat:
    if not (isinstance(adapter_format, type) and issubclass(adapter_format, AdapterFormat)):
        raise ConfigError(f"expected an AdapterFormat at {value}, found {adapter_format!r:.80}")
    row: AdapterFormat = adapter_format()
    return row


ADAPTERS: Extensions[AdapterFormat] = Extensions("antiphon.adapters", "form of adapters", _accept)


def format_of_folder(folder: Path) -> AdapterFormat | None:
    """Return the form of the adapter in a folder; None where it holds a model, or nothing."""
    return next((row for row in ADAPTERS.values() if row.is_adapter(folder)), None)


def format_of_references() -> AdapterFormat:
    """Return the form of the adapters that ``BASE+ADAPTER`` names. ConfigError where there is none."""
    row = next(iter(ADAPTERS.values()), None)
    if row is None:
        raise ConfigError("model: expected a form of adapters among the entry points, found none")
    return row
