"""Latency: one utterance at a time, node by node, on what a finished run has stored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from components.errors import DataError
from components.nodes.kind import KINDS
from components.nodes.node_context import Component, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import Audio, Hypothesis, NBest, Quarantined, Utterance
from components.storage.store import Store
from tasks.execution.latency import measure_latency, summarize_latency
from tests.components.storage.written import written
from tests.tasks.kinds import FAKES, Shout, ShoutSettings

ITEMS = 60
IDS = [f"u{n}" for n in range(ITEMS)]


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in FAKES.items():
        monkeypatch.setitem(KINDS, name, kind)


def nbest(key: str) -> NBest:
    best = Hypothesis(text=key, score=0.0, n_tokens=1, system="x")
    return NBest(utterance_id=key, hypotheses=(best,))


def utterance(key: str, seconds: float) -> Utterance:
    audio = Audio(path="/x.wav", sha256="0" * 64, seconds=seconds, sample_rate=16000)
    return Utterance(id=key, text=key, audio=audio, source_language="en")


def test_each_request_is_one_utterance_and_the_first_time_does_not_count(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    values = {"kind": "shout", "calls": str(calls)}
    pipeline = read_pipeline(
        {
            "nodes": {
                "a": {**values, "of": "data", "seconds": 0.01},
                "b": {**values, "of": "a", "seconds": 0.02},
            }
        }
    )
    stages = {
        "data": written(Store(str(tmp_path)), "data", [utterance(key, 2.0) for key in IDS]),
        "a": written(Store(str(tmp_path)), "a", list(map(nbest, IDS))),
        "b": written(Store(str(tmp_path)), "b", list(map(nbest, IDS))),
    }
    measured = measure_latency(pipeline, stages, 0, str(tmp_path), 20)
    counts = Counter(calls.read_text().split("\n")[:-1])
    assert counts == {f"{node} u{n}": 1 + (n == 0) for node in "ab" for n in range(0, ITEMS, 3)}
    assert measured.nodes.keys() == {"a", "b"}
    assert measured.system.n == 20
    assert (measured.nodes["a"].p50 >= 0.01, measured.nodes["b"].p50 >= 0.02) == (True, True)
    assert measured.system.p50 >= 0.03
    total = sum(of_node.seconds for of_node in measured.nodes.values())
    assert measured.system.seconds == pytest.approx(total)
    assert measured.system.rtfx == pytest.approx(40.0 / total)
    assert measured.system.p95 is not None
    quick = read_pipeline({"nodes": {name: {**values, "of": of} for name, of in (("a", "data"), ("b", "a"))}})
    assert measure_latency(quick, stages, 0, str(tmp_path), 1000).system.n == ITEMS


def test_a_run_without_such_nodes_is_refused(tmp_path: Path) -> None:
    pipeline = read_pipeline({"nodes": {"a": {"kind": "count", "calls": "x", "of": "data"}}})
    stages = {"data": written(Store(str(tmp_path)), "data", [utterance(key, 2.0) for key in IDS])}
    with pytest.raises(DataError, match="none to measure"):
        measure_latency(pipeline, stages, 0, str(tmp_path), 5)


def test_percentiles_are_of_the_requests() -> None:
    latency = summarize_latency([float(n) for n in range(1, 102)])
    assert (latency.p50, latency.p95, latency.rtfx) == (51.0, 96.0, None)
    assert summarize_latency([1.0] * 19, 38.0).p95 is None  # of 19 it is the slowest
    assert summarize_latency([1.0] * 19, 38.0).rtfx == 2.0


def shouting(calls: Path) -> dict[str, dict[str, object]]:
    values = {"kind": "shout", "calls": str(calls), "own_lane": False}
    return {"a": {**values, "of": "data"}, "b": {**values, "of": "a"}}


def test_a_node_that_gets_none_of_the_requests_has_no_latency(tmp_path: Path) -> None:
    pipeline = read_pipeline({"nodes": shouting(tmp_path / "calls")})
    aside = Quarantined(utterance_id="u0", stage="a", reason="bad", detail="it is")
    stages = {
        "data": written(Store(str(tmp_path)), "data", [utterance(key, 2.0) for key in IDS]),
        "a": written(Store(str(tmp_path)), "a", list(map(nbest, IDS[1:])), [aside]),
        "b": written(Store(str(tmp_path)), "b", list(map(nbest, IDS[1:]))),
    }
    measured = measure_latency(pipeline, stages, 0, str(tmp_path), 1)
    assert (measured.nodes.keys(), measured.system.n) == ({"a"}, 1)


def test_what_computes_with_torch_does_so_as_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the device's lock and the threads of a run, and a component that the process keeps."""
    import torch

    built: list[str] = []

    class Model(Shout):
        libraries = ("torch",)

        def build(self, settings: ShoutSettings, context: NodeContext) -> Component:
            built.append(f"{context.name} {torch.get_num_threads()}")
            return super().build(settings, context)

    monkeypatch.setitem(KINDS, "shout", Model())
    monkeypatch.setattr("components.compute.device.count_torch_threads", lambda: 3)
    pipeline = read_pipeline({"nodes": shouting(tmp_path / "calls")})
    stages = {
        "data": written(Store(str(tmp_path)), "data", [utterance(key, 2.0) for key in IDS]),
        "a": written(Store(str(tmp_path)), "a", list(map(nbest, IDS))),
    }
    measured = [measure_latency(pipeline, stages, 0, str(tmp_path), 4) for _ in range(2)]
    assert built == ["a 3"]
    assert [row.nodes["a"].n for row in measured] == [4, 4]
