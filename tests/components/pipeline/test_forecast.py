"""Forecasts: what is reused, and how long the rest takes by what the store remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pipeline.advice.forecast import RunForecast, forecast_nodes
from components.pipeline.pipeline import DATA
from components.pipeline.planning import NodePlan, plan_nodes
from components.pipeline.reader import read_pipeline
from components.storage.shards.shard import shard_name
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from tests.components.nodes.items import nbest
from tests.components.pipeline.test_planning import REF, cascade, store_recordings
from tests.components.storage.written import written

ITEMS = 2


def plan(store: Store, weights: str = "w") -> dict[str, NodePlan]:
    pipeline = read_pipeline({"nodes": cascade(), "target_language": "de"})
    named = {DATA: REF}
    return plan_nodes(pipeline, named, str(store.root), 0, lambda models, _: dict.fromkeys(models, weights))


def forecast(store: Store, weights: str = "w") -> dict[str, RunForecast]:
    pipeline = read_pipeline({"nodes": cascade(), "target_language": "de"})
    return {each.node: each for each in forecast_nodes(pipeline, plan(store, weights), {DATA: REF}, store)}


def finish(store: Store, weights: str, seconds: float, items: int) -> Path:
    """Store a finished recognizer that took ``seconds`` for ``items``; return its folder."""
    planned = plan(store, weights)["asr"]
    lines = [nbest(f"u{number}", "a dog") for number in range(items)]
    ref = written(store, planned.stage, lines, keys=planned.shard_keys, seconds=seconds / 2)
    return Path(ref.path)


def test_without_a_past_there_is_no_estimate(tmp_path: Path) -> None:
    asr = forecast(Store(str(tmp_path)))["asr"]
    assert (asr.status, asr.shards, asr.shards_done, asr.seconds) == ("run", 2, 0, None)


def test_a_finished_stage_is_reused_and_what_follows_is_run(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    finish(store, "w", 6.0, 3)
    nodes = forecast(store)
    assert {name: each.status for name, each in nodes.items()} == {"asr": "reused", "mt": "run"}
    assert (nodes["asr"].shards_done, nodes["asr"].seconds, nodes["mt"].seconds) == (2, None, None)


def test_the_past_of_the_same_models_counts_before_that_of_the_kind(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    finish(store, "small", 3.0, 3)
    finish(store, "middle", 6.0, 3)
    finish(store, "large", 30.0, 3)
    assert forecast(store, "other")["asr"].seconds == pytest.approx(2.0 * ITEMS)  # the median of 1, 2 and 10
    damaged = finish(store, "damaged", 9.0, 3)
    (damaged / SEAL).write_text("{")
    assert forecast(store, "other")["asr"].seconds == pytest.approx(2.0 * ITEMS)


def test_a_stage_that_lacks_a_shard_is_resumed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    finish(store, "w", 6.0, 3)
    store.backend.files.remove(shard_name(plan(store)["asr"].shard_keys[1]))
    asr = forecast(store)["asr"]
    assert (asr.status, asr.shards_done, asr.seconds) == ("resumed", 1, pytest.approx(2.0 * ITEMS / 2))


def test_a_node_has_the_utterances_of_its_own_data(tmp_path: Path) -> None:
    """Copies over development data are as long as these, not as long as what the pipeline runs over."""
    store = Store(str(tmp_path))
    finish(store, "w", 3.0, 3)
    nodes = {
        **cascade(),
        "dev": {"kind": "data", "source": "sample"},
        "asr-dev": {"kind": "recognize", "of": "dev"},
    }
    pipeline = read_pipeline({"nodes": nodes, "target_language": "de"})
    dev = store_recordings(tmp_path, "c")
    data = {DATA: REF, "dev": dev}
    plans = plan_nodes(pipeline, data, str(store.root), 0, lambda models, _: dict.fromkeys(models, "w"))
    shards_and_seconds = {
        each.node: (each.shards, each.seconds) for each in forecast_nodes(pipeline, plans, data, store)
    }
    assert shards_and_seconds["asr-dev"] == (1, pytest.approx(1.0))
    assert shards_and_seconds["mt"][0] == 2
