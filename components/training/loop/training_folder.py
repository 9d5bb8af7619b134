"""The folder of a training: the settings it was begun with, and the metrics of its evaluations."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.files.digests import combine_digests
from components.files.files import write_atomically
from components.files.json_text import parse_json
from components.training.config import TrainingConfig

BUDGETS = {"max_steps", "max_minutes", "patience", "device"}
"""Settings that may change when a training goes on."""
_log = logging.getLogger("antiphon.training")


def claim_folder(out: Path, config: TrainingConfig) -> None:
    """Write the settings into a new folder, and refuse one with other settings: a mix would be neither.

    Raises:
        ConfigError: which setting is another.
    """
    path = out / "settings.json"
    settings = config.model_dump(mode="json", exclude=BUDGETS)
    settings_there = _read_settings(path)
    if settings_there is None:
        out.mkdir(parents=True, exist_ok=True)
        content = {"settings": settings, "sha256": _digest(settings)}
        write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")
        return
    for name in sorted(settings.keys() | settings_there.keys()):
        if settings.get(name) != settings_there.get(name):
            raise ConfigError(
                f"{out}: expected a run with {name} {settings_there.get(name)!r}, found "
                f"{settings.get(name)!r}; train into another folder"
            )


def write_metrics(out: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the metrics of every evaluation, one JSON object a line."""
    rows = "".join(json.dumps(row) + "\n" for row in history)
    (out / "metrics.jsonl").write_text(rows, encoding="utf-8")


def _read_settings(path: Path) -> dict[str, Any] | None:
    """Read the settings that a training was begun with; None where they are missing or damaged."""
    try:
        content = parse_json(path.read_bytes())
        settings: dict[str, Any] = content["settings"]
        if content["sha256"] == _digest(settings):
            return settings
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    _log.warning("%s is damaged: the settings of this training are written there again", path)
    return None


def _digest(settings: Mapping[str, object]) -> str:
    return combine_digests({name: json.dumps(value) for name, value in settings.items()})
