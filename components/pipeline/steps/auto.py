"""``model: auto``: what leaves the choice of a node's model to the languages of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AUTO = "auto"
TASKS = ("recognize", "translate", "translate_speech")
"""Kinds whose models can be chosen."""


def is_auto(values: Mapping[str, Any]) -> bool:
    """Return whether a node, as it is written, leaves the choice of its model open."""
    return values.get("kind") in TASKS and values.get("model") == AUTO
