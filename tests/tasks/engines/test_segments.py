"""Segments of graphs: what follows shard by shard is one, what reads whole sets begins another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from components.nodes.facts import Mode
from tasks.engines.ray.engine import list_segments


def plan(
    reads: dict[str, str], *, whole: bool = False, tables: tuple[str, ...] = (), own: str = "data"
) -> Any:
    """A planned node: role -> node that it reads."""
    kind = SimpleNamespace(mode=Mode.WHOLE if whole else Mode.PER_ITEM)
    node = SimpleNamespace(kind=kind, reads=reads, tables={role: reads[role] for role in tables})
    return SimpleNamespace(node=node, shards=() if whole else ({},), own=own)


def test_a_cascade_is_one_segment_and_a_fitted_node_begins_another() -> None:
    plans = {
        "asr": plan({"of0": "data"}),
        "mt": plan({"of0": "asr"}),
        "fit": plan({"of0": "mt"}, whole=True),
        "judge": plan({"of0": "mt", "table": "fit"}, tables=("table",)),
        "final": plan({"of0": "judge", "of1": "asr"}),
        "beside": plan({"of0": "data"}),
    }
    assert list_segments(plans, {}) == [("asr", "mt"), ("judge", "final"), ("beside",)]


def test_another_data_set_and_a_round_are_read_whole() -> None:
    plans = {
        "dev": plan({"of0": "devset"}, own="devset"),
        "asr": plan({"of0": "data"}),
        "uses": plan({"of0": "asr", "of1": "dev"}),
        "twin": plan({"of0": "data"}),
        "round": plan({"of0": "asr"}),
    }
    plans["round"].node.kind.mode = Mode.ROUND
    assert list_segments(plans, {"twin": "asr"}) == [("dev",), ("asr",), ("uses",), ("round",)]


def test_a_node_that_waits_for_its_own_segment_through_another_is_in_the_next() -> None:
    plans = {
        "a": plan({"of0": "data"}),
        "b": plan({"of0": "a"}),
        "fit": plan({"of0": "b"}, whole=True),
        "c": plan({"of0": "a", "model": "fit"}, tables=("model",)),
        "d": plan({"of0": "c", "of1": "b"}),
    }
    assert list_segments(plans, {}) == [("a", "b"), ("c", "d")]
