"""``model: auto``: what leaves the choice of a node's model to the languages of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.nodes.kind import KINDS
from components.stage_settings import AUTO_MODEL

TASKS = ("recognize", "translate", "translate_speech")
"""Kinds whose models can be chosen."""


def is_auto(values: Mapping[str, Any]) -> bool:
    """Return whether a node, as it is written, leaves the choice of its model open."""
    if values.get("kind") not in TASKS or _names_members(values):
        return False
    default = KINDS[values["kind"]].settings.model_fields["model"].default
    return bool((values.get("model") or default) == AUTO_MODEL)


def _names_members(values: Mapping[str, Any]) -> bool:
    """Return whether members stand for the model, and not beside several that come of it."""
    return bool(values.get("members")) and not (values.get("dropout_members") or values.get("checkpoints"))
