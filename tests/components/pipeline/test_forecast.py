"""Forecasts: what is reused, and how long the rest takes by what the store remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.pipeline.advice.forecast import RunForecast, forecast_nodes
from components.pipeline.pipeline import DATA
from components.pipeline.planning import NodePlan, plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import audio_seconds_of, read_shards
from components.storage.stages.seal import SEAL
from components.storage.store import Store
from tests.components.nodes.items import nbest
from tests.components.pipeline.test_planning import REF, cascade, store_recordings
from tests.components.storage.written import written


def plan(store: Store, weights: str = "w") -> dict[str, NodePlan]:
    pipeline = read_pipeline({"nodes": cascade(), "target_language": "de"})
    named = {DATA: REF}
    return plan_nodes(pipeline, named, str(store.root), 0, lambda models, _: dict.fromkeys(models, weights))


def forecast(store: Store, weights: str = "w") -> dict[str, RunForecast]:
    pipeline = read_pipeline({"nodes": cascade(), "target_language": "de"})
    return {each.node: each for each in forecast_nodes(pipeline, plan(store, weights), {DATA: REF}, store)}


def finish(store: Store, weights: str, seconds: float, said: float = 1.0) -> Path:
    """Store a finished recognizer of ``said`` seconds of speech; its two shards took half of ``seconds``."""
    sound = Audio(path="/x.wav", sha256="0" * 64, seconds=said, sample_rate=16_000)
    data = written(store, "data", [Utterance(id=f"{said}", audio=sound, source_language="en")])
    planned = plan(store, weights)["asr"]
    more = {"read_": {DATA: (read_shards(data)[0].identity, "0" * 64)}, "seconds": seconds / 2}
    ref = written(store, planned.stage, [nbest("u0", "a dog")], keys=planned.shard_keys, **more)
    return Path(ref.path)


def test_without_a_past_there_is_no_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asr = forecast(Store(str(tmp_path)))["asr"]
    assert (asr.status, asr.shards, asr.shards_done, asr.seconds) == ("run", 2, 0, None)
    monkeypatch.setattr(Path, "glob", lambda folder, _: iter([folder / "removed" / SEAL]))  # by prune, since
    assert all(each.seconds is None for each in forecast(Store(str(tmp_path))).values())


def test_a_finished_stage_is_reused_and_what_follows_is_run(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    finish(store, "w", 6.0)
    nodes = forecast(store)
    assert {name: each.status for name, each in nodes.items()} == {"asr": "reused", "mt": "run"}
    assert (nodes["asr"].shards_done, nodes["asr"].seconds, nodes["mt"].seconds) == (2, None, None)


def test_the_forecast_is_a_range_by_the_length_of_what_ran_with_the_same_models(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    said = audio_seconds_of(REF)
    finish(store, "w", 6.0, said=10.0)  # 0.3 s for a second of speech
    store.backend.files.remove(shard_name(plan(store)["asr"].shard_keys[1]))
    asr = forecast(store)["asr"]
    assert (asr.status, asr.shards_done) == ("resumed", 1)
    assert asr.seconds == pytest.approx((0.3 * said / 2, 0.3 * said / 2))
    assert forecast(store, "another model")["asr"].seconds is None
    damaged = finish(store, "damaged", 9.0)
    (damaged / SEAL).write_text("{")
    assert forecast(store)["asr"].seconds == asr.seconds


def test_a_node_has_the_utterances_of_its_own_data(tmp_path: Path) -> None:
    """Copies over development data are as long as these, not as long as what the pipeline runs over."""
    store = Store(str(tmp_path))
    finish(store, "w", 3.0)
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
    said = audio_seconds_of(dev)
    assert shards_and_seconds["asr-dev"] == (1, pytest.approx((1.5 * said, 1.5 * said)))
    assert shards_and_seconds["mt"][0] == 2
