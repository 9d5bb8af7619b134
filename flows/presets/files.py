"""Where the files of presets are, and what the names in them stand for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def list_presets() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(entry: str) -> Any:
    """Return what ``module:name`` names."""
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)
