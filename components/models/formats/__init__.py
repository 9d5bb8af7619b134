"""Forms of models that have to be converted before they are read: entries of ``antiphon.model_formats``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions
from components.models.formats.format import ModelFormat


def _accept(name: str, value: str, model_format: Any) -> ModelFormat:
    if not (isinstance(model_format, type) and issubclass(model_format, ModelFormat)):
        raise ConfigError(f"expected a ModelFormat at {value}, found {model_format!r:.80}")
    row: ModelFormat = model_format()
    return row


FORMATS: Extensions[ModelFormat] = Extensions("antiphon.model_formats", "format of models", _accept)
"""Format by its name, beside those of Whisper."""


def find_format(path: Path) -> ModelFormat | None:
    """Return the format that reads what is at a path; None where none of them does."""
    return next((row for row in FORMATS.values() if row.reads(path)), None)
