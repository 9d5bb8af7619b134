"""``model: auto``: what leaves the choice of a node's model to the languages of the data, and who chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.extensions import Extensions, accept_any

AUTO = "auto"
TASKS = ("recognize", "translate", "translate_speech")
"""Kinds whose models can be chosen."""
CHOOSERS: Extensions[Any] = Extensions("antiphon.model_choosers", "model chooser", accept_any)
"""``auto`` -> what gives a pipeline a model in every node that leaves it open, and a note about each."""


def is_auto(values: Mapping[str, Any]) -> bool:
    """Whether a node, as it is written, leaves the choice of its model open."""
    return values.get("kind") in TASKS and values.get("model") == AUTO
