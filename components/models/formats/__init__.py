"""Forms of models that have to be converted before they are read: entries of ``antiphon.model_formats``."""

from __future__ import annotations

from pathlib import Path

from components.extensions import Extensions, accept_class
from components.models.formats.format import ModelFormat

FORMATS: Extensions[ModelFormat] = Extensions(
    "antiphon.model_formats", "format of models", accept_class(ModelFormat)
)
"""Format by its name, beside those of Whisper."""


def find_format(path: Path) -> ModelFormat | None:
    """Return the format that reads what is at a path; None where none of them does."""
    return next((row for row in FORMATS.values() if row.reads(path)), None)
