"""``shout``: a text in capitals."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from typing_extensions import override

from components.nodes.facts import Carry, Items, state
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.records import Outcome


class ShoutSettings(NodeSettings):
    """How loud it is."""

    marks: int = Field(1, ge=0, le=3, description="exclamation marks behind the text")


class Shout(Kind[ShoutSettings]):
    """Writes every hypothesis in capitals."""

    name = "shout"
    summary = "a text in capitals"
    settings = ShoutSettings
    items = Items(Carry.INPUTS)
    version = "1"
    stated = state(features=(), analyses=("lengths",))

    @override
    def build(self, settings: ShoutSettings, context: NodeContext) -> Component:
        def shout(items: Sequence[Item]) -> list[Outcome]:
            return [_louder(item, settings.marks) for item in items]

        return shout


def _louder(item: Item, marks: int) -> Outcome:
    nbest = item.nbest
    assert nbest is not None  # it reads text
    louder = [
        hypothesis.model_copy(update={"text": hypothesis.text.upper() + "!" * marks, "segments": ()})
        for hypothesis in nbest.hypotheses
    ]
    return nbest.model_copy(update={"hypotheses": tuple(louder)})
