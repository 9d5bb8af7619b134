"""``select``: joins the ways of a pipeline again: for each utterance the first node that has it."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from components.nodes.facts import Carry, Items, Language, Need, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.records import NBest, Outcome, Quarantined

VERSION = 2
"""Version of the choice."""


class SelectSettings(NodeSettings):
    """Empty: the order of ``of`` decides."""


class Select(Kind[SelectSettings]):
    """Gives one of several texts."""

    name = "select"
    summary = "of each utterance the first of several nodes that has it"
    settings = SelectSettings
    inputs = (1, 64)
    stated = state(features=())
    items = Items(Carry.INPUTS, Need.ANY)
    language = Language.SAME
    version = str(VERSION)

    @override
    def build(self, settings: SelectSettings, context: NodeContext) -> Component:
        def select(items: Sequence[Item]) -> list[Outcome]:
            return [_select_first(item, context) for item in items]

        return select


def _select_first(item: Item, context: NodeContext) -> Outcome:
    outcomes = (item.inputs.get(name) for name in context.of)
    return next((text for text in outcomes if isinstance(text, NBest)), None) or refuse(item, context)


def refuse(item: Item, context: NodeContext) -> Quarantined:
    """Return what a node gives for an item whose inputs all were refused: why the first one was."""
    first = next(outcome for outcome in item.inputs.values() if isinstance(outcome, Quarantined))
    return first.model_copy(update={"stage": context.name})
