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
    # Members stand for the model, but where they are beside several that come of it.
    has_several = values.get("dropout_members") or values.get("checkpoints")
    if values.get("kind") not in TASKS or (values.get("members") and not has_several):
        return False
    default = KINDS[values["kind"]].settings.model_fields["model"].default
    return bool((values.get("model") or default) == AUTO_MODEL)
