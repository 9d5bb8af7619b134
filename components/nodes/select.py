"""``select``: ways that utterances went, joined again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.nodes.kind import Component, Item, Kind, NodeSettings, Site
from components.records import NBest, Outcome, Quarantined


class SelectSettings(NodeSettings):
    """Nothing can be set."""


class Select(Kind[SelectSettings]):
    """Of each utterance the text of the first of its inputs that has one."""

    name = "select"
    summary = "the first of several texts that an utterance has"
    settings = SelectSettings
    inputs = (2, 64)
    joins = True
    needs_inputs = True
    passes = True
    same_language = True

    def version(self, settings: SelectSettings) -> str:
        """Of this file."""
        return "1"

    def parameters(self, settings: SelectSettings, site: Site) -> dict[str, Any]:
        """None."""
        return {}

    def build(self, settings: SelectSettings, site: Site) -> Component:
        """The first text; an utterance that only failed stays quarantined."""

        def select(items: Sequence[Item]) -> list[Outcome]:
            return [_first(item) for item in items]

        return select


def _first(item: Item) -> Outcome:
    outcomes = list(item.inputs.values())
    texts = [outcome for outcome in outcomes if isinstance(outcome, NBest)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Quarantined)]
    return (texts or failed)[0]
