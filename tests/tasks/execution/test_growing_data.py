"""Data that grow and move: what is new costs what it costs, and nothing else is computed again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from prefect import flow

from components.data.stage import store_data
from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.run_record import StageRef
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tasks.execution.executor import PipelineResult, execute
from tests.manifests import write_rows

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
CODE = """
from pathlib import Path

def shout(records):
    with Path({calls!r}).open("a", encoding="utf-8") as file:
        file.write({name!r} + "\\n")
    return [record["text"].upper() for record in records]
"""


class Bench:
    """A store, and two nodes of the user's own code that count their shards."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, str(folder / "store")
        self.log = folder / "calls"
        self.nodes: dict[str, dict[str, Any]] = {}
        for name, of in (("a", DATA), ("b", "a")):
            code = folder / f"{name}.py"
            code.write_text(CODE.format(calls=str(self.log), name=name))
            values = {"file": str(code), "function": "shout", "batch": True, "of": of}
            self.nodes[name] = {"kind": "python", **values}

    def load(self, manifest: Path) -> StageRef:
        return store_data(str(manifest), None, ("en", None), None, Store(self.store))

    def run(self, data: StageRef) -> tuple[PipelineResult, Counter[str]]:
        """What a run gives, and how many shards of each node it computed."""

        @flow(name="growing", persist_result=False)
        def growing() -> PipelineResult:
            return execute(read_pipeline({"nodes": self.nodes}), {DATA: data}, self.store, 0)

        self.log.write_text("")
        result = growing()
        result.raise_first_error()
        return result, Counter(self.log.read_text().split())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("ANTIPHON_ALLOW_CODE", "1")
    return Bench(tmp_path)


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_rows(path, rows)
    return path


def texts(first: int, n: int) -> list[dict[str, Any]]:
    said = {f"u{number}": f"a dog {number} " * 30 for number in range(first, first + n)}
    return [{"id": key, "text": text, "source_language": "en"} for key, text in said.items()]


@pytest.mark.parametrize("position", [0, 777, 2000])
def test_a_hundredth_of_new_rows_computes_one_or_two_shards_of_a_node(bench: Bench, position: int) -> None:
    rows = texts(0, 2000)
    first, computed = bench.run(bench.load(write_manifest(bench.folder / "data.jsonl", rows)))
    shards = len(read_shards(first.stages["b"]))
    assert shards > 5
    assert computed == {"a": shards, "b": shards}
    grown = [*rows[:position], *texts(9000, 20), *rows[position:]]
    second, computed = bench.run(bench.load(write_manifest(bench.folder / "data.jsonl", grown)))
    assert second.stages["b"].items == 2020
    assert computed["a"] == computed["b"] in {1, 2}
    again, computed = bench.run(bench.load(bench.folder / "data.jsonl"))
    assert (set(again.statuses.values()), computed) == ({"reused"}, {})


def test_a_data_set_that_moved_to_another_folder_computes_nothing_anew(bench: Bench) -> None:
    rows = [{"audio": f"{n}.wav", "text": f"a dog {n}", "source_language": "en"} for n in range(3)]
    manifest = write_manifest(bench.folder / "here" / "data.jsonl", rows)
    for row in rows:
        soundfile.write(manifest.parent / row["audio"], np.zeros(1600, np.float32), 16_000)
    here = bench.load(manifest)
    first, _ = bench.run(here)
    moved = bench.load(manifest.parent.rename(bench.folder / "there") / "data.jsonl")
    assert (moved.key == here.key, moved.content == here.content) == (False, True)
    second, computed = bench.run(moved)
    assert (set(second.statuses.values()), computed) == ({"reused"}, {})
    assert second.stages["b"].key == first.stages["b"].key
