"""Kinds of nodes that note what they compute, for tests of the executor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from components.nodes.facts import Facts, Mode
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, NodeContext, NodeSettings
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined
from components.run_record import StageRef
from components.stage_settings import Unkeyed
from components.storage.stages.whole_stage import StageFiles


class ShoutSettings(NodeSettings):
    mark: str = "!"
    calls: Unkeyed[str]
    seconds: Unkeyed[float] = 0.0
    fails: Unkeyed[bool] = Field(False, description="at the second shard")
    own_lane: Unkeyed[bool] = True


class Shout(Kind[ShoutSettings]):
    """Appends its mark; whose id begins with "bad" is quarantined."""

    name = "shout"
    summary = "for tests"
    settings = ShoutSettings

    version = "1"

    def facts(self, settings: ShoutSettings) -> Facts:
        return replace(super().facts(settings), device=None if settings.own_lane else "cpu")

    def build(self, settings: ShoutSettings, context: NodeContext) -> Component:
        def shout(items: Sequence[Item]) -> list[NodeOutcome]:
            with Path(settings.calls).open("a", encoding="utf-8") as file:
                file.write(f"{context.name} {items[0].utterance.id}\n")
            time.sleep(settings.seconds)
            if settings.fails and not any(item.utterance.id == "u0" for item in items):
                raise RuntimeError("no voice")
            return [outcome(item) for item in items]

        def outcome(item: Item) -> NodeOutcome:
            key = item.utterance.id
            if key.startswith("bad") and settings.mark == "!":
                return Quarantined(
                    utterance_id=key, stage=context.name, reason="bad", detail="its id says so"
                )
            words = f"{item.utterance.text}{settings.mark}"
            best = Hypothesis(text=words, score=-1.0, n_tokens=1, system=context.name)
            return NBest(utterance_id=key, hypotheses=(best,))

        return shout


class CountSettings(NodeSettings):
    calls: Unkeyed[str]


class Count(Kind[CountSettings]):
    """Made whole: how many outcomes what it reads has."""

    name = "count"
    summary = "for tests"
    settings = CountSettings
    output = "table"
    mode = Mode.WHOLE
    version = "1"

    def make(
        self, settings: CountSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        with Path(settings.calls).open("a", encoding="utf-8") as file:
            file.write(f"{context.name} whole\n")
        (folder / "count.txt").write_text(str(read["of0"].items))
        return StageFiles(["count.txt"], items=1)


FAKES: dict[str, Kind[Any]] = {kind.name: kind for kind in (Shout(), Count())}
