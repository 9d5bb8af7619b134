"""Which pipeline each remedy stands for, and what it says where it cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

from components.improvement import remedies
from components.improvement.remedies import Choices, Situation, format_pipeline, propose
from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.pipeline.substitution import chain_of
from components.yaml_text import parse_yaml

TINY, BASE = "packaged:whisper-tiny.en", "packaged:whisper-base"
CASCADE = {
    "asr": {"kind": "recognize", "model": TINY, "beam_size": 1, "n_best": 1},
    "mt": {"kind": "translate", "of": "asr", "beam_size": 5, "model": "packaged:multi30k-en-de"},
}


def proposed(nodes: dict[str, Any] = CASCADE, **choices: Any) -> dict[str, Pipeline | str]:
    pipeline = read_pipeline({"nodes": nodes, "target_language": "de"})
    situation = Situation(pipeline, chain_of(pipeline, pipeline.nodes), Choices(**choices))
    return {row.remedy: row.pipeline or row.missing for row in propose(situation)}


def test_a_remedy_changes_one_thing() -> None:
    pipelines = proposed(soup=("store:abc",))
    larger = pipelines["larger recognizer"]
    assert isinstance(larger, Pipeline)
    assert larger.nodes["asr"].models == {"model": BASE}
    assert larger.nodes["mt"] == read_pipeline({"nodes": CASCADE, "target_language": "de"}).nodes["mt"]
    route = pipelines["route"]
    assert isinstance(route, Pipeline)
    assert route.nodes["asr-again"].when == ("asr-doubt", "escalate")
    assert (route.nodes["mt"].of, route.nodes["asr-chosen"].of) == (("asr-chosen",), ("asr-again", "asr"))
    assert (route.outputs["transcript"], route.outputs["translation"]) == ("asr-chosen", "mt")
    wider = pipelines["wider search of transcripts"]
    assert isinstance(wider, Pipeline)
    assert wider.definitions["asr"] == {**CASCADE["asr"], "beam_size": 5}
    refined = pipelines["refinement"]
    assert isinstance(refined, Pipeline)
    assert refined.outputs["translation"] == "mt-refined-1"
    soup = pipelines["soup"]
    assert isinstance(soup, Pipeline)
    assert soup.nodes["mt"].model_nodes == {"model": "mt-soup"}
    assert "store:abc" in soup.nodes["mt-soup"].models.values()


def test_what_cannot_be_had_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "has_model", lambda model: model == BASE)
    missing = proposed()
    assert "expected terms: FILE" in str(missing["terms"])
    assert "expected soup" in str(missing["soup"])
    assert "expected a beam below 5, found 5 in mt" in str(missing["wider search of translations"])
    best = {**CASCADE, "asr": {"kind": "recognize", "model": BASE}}
    assert f"larger than {BASE} on this machine, found none" in str(proposed(best)["larger recognizer"])
    chosen = proposed(best, recognizer="store:mine")["larger recognizer"]
    assert isinstance(chosen, Pipeline)
    assert chosen.nodes["asr"].models == {"model": "store:mine"}
    assert "expected another than the run's" in str(proposed(best, recognizer=BASE)["route"])


def test_the_file_of_a_remedy_is_its_pipeline() -> None:
    route = proposed()["route"]
    assert isinstance(route, Pipeline)
    values, _ = parse_yaml(format_pipeline(route), "improved.yaml")
    assert read_pipeline(values) == route
