"""Keys are known before anything runs, and say everything that decides the outputs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Utterance
from components.run_record import StageRef
from components.storage.store import Store
from tests.components.storage.upkeep.stores import save_run, write_stage
from tests.components.storage.written import written

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=1.0, sample_rate=16000)
_FOLDER = TemporaryDirectory(prefix="antiphon-tests-")


def store_recordings(folder: Path, *names: str, path: str = "/x.wav") -> StageRef:
    """A finished data set of recordings that nobody opens, each in a shard of its own."""
    sound = SOUND.model_copy(update={"path": path})
    utterances = [Utterance(id=name, audio=sound, source_language="en") for name in names]
    return written(Store(str(folder)), "data", utterances, size=1)


REF = store_recordings(Path(_FOLDER.name), "a", "b").model_copy(update={"items": 70, "quarantined": 6})
"""A data set of two shards, which is said to be larger."""


def keys(nodes: dict[str, Any], data: StageRef = REF, weights: str = "w", **settings: Any) -> dict[str, str]:
    pipeline = read_pipeline({"nodes": nodes, "target_language": "de", **settings})
    plans = plan_nodes(pipeline, {DATA: data}, None, 0, lambda named, _: dict.fromkeys(named, weights))
    return {name: planned.stage.key for name, planned in plans.items()}


def cascade(**asr: Any) -> dict[str, Any]:
    return {"asr": {"kind": "recognize", **asr}, "mt": {"kind": "translate", "of": "asr"}}


def test_a_setting_changes_its_node_and_what_is_below() -> None:
    before, after = keys(cascade()), keys(cascade(beam_size=1, n_best=1))
    assert before["asr"] != after["asr"]
    assert before["mt"] != after["mt"]
    below = cascade()
    below["mt"]["beam_size"] = 2
    changed = keys({**below, "mt": {**below["mt"], "n_best": 2}})
    assert (changed["asr"], changed["mt"] == before["mt"]) == (before["asr"], False)


def test_names_of_nodes_and_models_and_where_data_lie_change_nothing(tmp_path: Path) -> None:
    before = keys(cascade())
    renamed = keys({"ears": {"kind": "recognize"}, "de": {"kind": "translate", "of": "ears"}})
    assert list(renamed.values()) == list(before.values())
    assert keys(cascade(model="packaged:whisper-tiny.en"))["asr"] == before["asr"]  # the digests are the same
    assert keys(cascade(), weights="other") != before
    moved = store_recordings(tmp_path, "a", "b", path="/elsewhere/y.wav")
    assert (moved.key == REF.key, moved.content == REF.content) == (False, True)
    assert keys(cascade(), moved) == before
    for names in (("a", "c"), ("a",), ("b", "a"), ("a", "b", "c")):
        assert keys(cascade(), store_recordings(tmp_path, *names))["asr"] != before["asr"]


def test_a_shard_has_the_same_key_in_every_data_set(tmp_path: Path) -> None:
    """Whatever comes before and after it, and however many there are."""
    pipeline = read_pipeline({"nodes": cascade(), "target_language": "de"})

    def shards(*names: str) -> tuple[tuple[str, ...], ...]:
        plans = plan_nodes(pipeline, {DATA: store_recordings(tmp_path, *names)}, None, 0, lambda named, _: {})
        return tuple(plans[node].shard_keys for node in ("asr", "mt"))

    (asr, mt), (more_asr, more_mt) = shards("a", "b"), shards("c", "b", "d", "a")
    assert (more_asr[3], more_asr[1], more_mt[3], more_mt[1]) == (*asr, *mt)
    assert len({*more_asr, *more_mt}) == 8


def test_a_model_that_a_run_names_is_planned_by_its_key(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    model = write_stage(store, "train", kind="train")
    save_run(store, "tiny1", [model])
    graph = {"mt": {"kind": "translate", "of": "data", "model": "store:tiny1", "members": ["store:tiny1@7"]}}
    pipeline = read_pipeline({"nodes": graph, "target_language": "de"})
    plans = plan_nodes(pipeline, {DATA: REF}, str(tmp_path), 0, lambda named, _: dict.fromkeys(named, "w"))
    planned = plans["mt"]
    assert set(planned.stage.models.values()) == {f"store:{model.key}", f"store:{model.key}@7"}
    assert planned.node.settings.model == f"store:{model.key}"  # type: ignore[attr-defined]
    assert pipeline.to_record().nodes[0].models["member1"] == "store:tiny1"  # as it was written


def test_a_file_is_read_by_its_digest(tmp_path: Path) -> None:
    examples = tmp_path / "e.jsonl"
    nodes = {"mt": {"kind": "translate", "of": "data", "examples": str(examples)}}
    examples.write_text("1")
    first = keys(nodes)
    examples.write_text("2")
    assert keys(nodes) != first
    examples.unlink()
    with pytest.raises(ConfigError, match=r"^mt: expected a readable file, found .*No such file"):
        keys(nodes)


def test_an_adapter_that_a_node_trains_is_read_and_its_weight_decides() -> None:
    def graph(adapter: Any) -> dict[str, Any]:
        lora = {"kind": "train", "init_from": "packaged:multi30k-en-de", "lora": {"rank": 2}}
        text = {"kind": "translate", "of": "data", "model": lora["init_from"], "adapter": adapter}
        return {"lora": {**lora, "data": "sample", "dev": "sample"}, "mt": text}

    once, half = keys(graph("node:lora")), keys(graph({"node:lora": 0.5}))
    assert (once["lora"], once["mt"] == half["mt"]) == (half["lora"], False)
    assert keys(graph("node:lora"), weights="other base")["mt"] != once["mt"]
    pipeline = read_pipeline(
        {"nodes": graph({"node:lora": 0.5, "store:0123456789ab": 2}), "target_language": "de"}
    )
    assert pipeline.nodes["mt"].model_nodes == {"model+1": "lora"}
    plans = plan_nodes(pipeline, {DATA: REF}, None, 0, lambda named, _: named)  # type: ignore[arg-type,return-value]
    stage = plans["mt"].stage
    assert stage.weights == {"model": "packaged:multi30k-en-de+2.0*store:0123456789ab"}
    assert stage.models == {**stage.weights, "model+1": f"store:{plans['lora'].stage.key}"}
