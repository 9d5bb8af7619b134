"""A finished stage in the place of a node: its plan and key are those that it was made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import StoreError
from components.nodes.node_context import NodeContext
from components.nodes.reuse import Reuse, ReuseSettings
from components.pipeline.pipeline import DATA
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.storage.stages.reader import read_shards
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store
from tests.components.nodes.items import nbest
from tests.components.pipeline.test_planning import store_recordings
from tests.components.storage.written import encoded, written


def test_a_stored_stage_keeps_its_key(tmp_path: Path) -> None:
    plan = StagePlan(stage="mt", kind="translate", version="1", parameters={"to": "de"})
    plan = Store(str(tmp_path)).load_plan(written(Store(str(tmp_path)), plan, [nbest("a", "b")]).key)
    context = NodeContext("draft", store=str(tmp_path))
    store, stage = Store(str(tmp_path)), Reuse().facts(ReuseSettings(key=plan.key)).stage
    assert stage == store.load_plan(stage or "").key == plan.key
    (shard,) = (tmp_path / "shards").rglob("*.jsonl")
    shard.write_text("{}\n")
    with pytest.raises(StoreError, match="is damaged"):
        store.load_plan(plan.key)
    with pytest.raises(StoreError, match=r"expected a finished stage 000000000000… in .*, found none"):
        store.load_plan("0" * 64)
    with pytest.raises(
        StoreError, match="draft: expected stage 000000000000… as it was planned, found it gone"
    ):
        Reuse().build(ReuseSettings(key="0" * 64), context)


def test_its_language_is_said_by_to() -> None:
    stored = {"kind": "reuse", "key": "0" * 64}
    pipeline = read_pipeline({"nodes": {"asr": stored, "mt": {**stored, "of": "asr", "to": "target"}}})
    assert [pipeline.language_of(name) for name in ("asr", "mt")] == ["source", "target"]


@pytest.mark.parametrize("is_same", [True, False])
def test_its_shards_are_read_one_by_one_where_each_was_made_of_one_of_the_data(
    tmp_path: Path, is_same: bool
) -> None:
    """Of other data with as many shards it is read whole: their shards stand beside each other by chance."""
    store = Store(str(tmp_path))
    data = store_recordings(tmp_path, "a")
    (shard,) = read_shards(data)
    made_of = shard.identity if is_same else "0" * 64
    plan, shards = encoded("mt", [nbest("a", "x")], read={DATA: (made_of, "")})
    stage = finish_stage(store, plan, [store.add_shard(*each) for each in shards], {})
    graph = {"nodes": {"draft": {"kind": "reuse", "key": stage.key}}}
    planned = plan_nodes(read_pipeline(graph), {DATA: data}, str(tmp_path), 0, lambda models, store: {})
    assert planned["draft"].shard_keys == (tuple(s.key for s in read_shards(stage)) if is_same else ())
