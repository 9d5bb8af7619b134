"""Keys are known before anything runs, and say everything that decides the outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.pipeline.pipeline import DATA
from components.pipeline.planning import plan_nodes, shard_size
from components.pipeline.reader import read_pipeline
from components.run_record import StageRef
from components.storage.store import Store
from tests.components.storage.upkeep.stores import save_run, write_stage

RECORDINGS = str(Path(__file__).parent / "recordings")
"""The folder of a data set of one recording."""
REF = StageRef(
    stage="data",
    key="d" * 64,
    path=RECORDINGS,
    items=70,
    quarantined=6,
    sha256="e" * 64,
    content="c" * 64,
    seconds=0,
    peak_memory_bytes=0,
    reused=False,
)


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
    elsewhere = shutil.copytree(RECORDINGS, tmp_path / "elsewhere")
    moved = REF.model_copy(update={"key": "a" * 64, "sha256": "b" * 64, "path": str(elsewhere)})
    assert keys(cascade(), moved) == before
    assert keys(cascade(), REF.model_copy(update={"content": "f" * 64}))["asr"] != before["asr"]


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


def test_the_language_that_is_written_is_part_of_the_key() -> None:
    nodes = {"mt": {"kind": "translate", "of": "data", "to": "fr"}}
    assert keys(nodes) != keys({"mt": {**nodes["mt"], "to": "es"}})


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


@pytest.mark.parametrize(("total", "size"), [(0, 32), (1, 32), (6400, 32), (6401, 33), (1_000_000, 5000)])
def test_there_are_never_more_than_two_hundred_shards(total: int, size: int) -> None:
    assert shard_size(total) == size
    assert -(-total // size) <= 200


def test_an_adapter_that_a_node_trains_is_read_and_its_weight_decides() -> None:
    def graph(adapter: Any) -> dict[str, Any]:
        lora = {"kind": "train", "init_from": "packaged:multi30k-en-de", "lora": {"rank": 2}}
        text = {"kind": "translate", "of": "data", "adapter": adapter}
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


def test_a_training_without_an_adapter_keeps_its_key() -> None:
    node = {"kind": "train", "init_from": "packaged:multi30k-en-de", "data": "sample", "dev": "sample"}
    plain, same = keys({"t": node}), keys({"t": {**node, "lora": None}})
    assert plain == same != keys({"t": {**node, "lora": {}}})
