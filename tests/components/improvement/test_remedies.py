"""Which pipeline each remedy stands for, and what it says where it cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

from components.attribution.attribution import Attribution, StageAttribution
from components.attribution.substitution import chain_of
from components.files.yaml_text import parse_yaml
from components.improvement import remedies
from components.improvement.bounds import bound_gain
from components.improvement.remedies import format_pipeline, propose
from components.improvement.situation import ImproveOptions, RunUnderRepair
from components.metrics.statistics.bootstrap import Estimate
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline

TINY, BASE = "packaged:whisper-tiny.en", "packaged:whisper-base"
CASCADE = {
    "asr": {"kind": "recognize", "model": TINY, "beam_size": 1, "n_best": 1},
    "mt": {"kind": "translate", "of": "asr", "beam_size": 5, "model": "packaged:multi30k-en-de"},
}


REFINED = {
    "tiny": {"kind": "recognize", "model": TINY, "beam_size": 1, "n_best": 1},
    "base": {"kind": "recognize", "model": BASE, "beam_size": 1, "n_best": 1},
    "asr": {"kind": "combine", "of": ["base", "tiny"], "method": "rover"},
    "mt": {"kind": "translate", "of": "asr", "beam_size": 1, "n_best": 1, "model": "packaged:multi30k-en-de"},
    "final": {"kind": "refine", "of": "mt", "rounds": 2},
}
"""A vote above the translator and a refinement below it, as in examples/rover_refine.yaml."""


def situation_of(nodes: dict[str, Any], **choices: Any) -> RunUnderRepair:
    pipeline = read_pipeline({"nodes": nodes, "target_language": "de"})
    return RunUnderRepair(pipeline, chain_of(pipeline, pipeline.nodes), ImproveOptions(**choices))


def proposed(nodes: dict[str, Any] = CASCADE, **choices: Any) -> dict[str, Pipeline | str]:
    situation = situation_of(nodes, **choices)
    return {row.remedy: row.pipeline or row.missing for row in propose(situation)}


def test_a_remedy_changes_one_thing() -> None:
    pipelines = proposed(soup=("store:abc",))
    larger = pipelines["larger recognizer"]
    assert larger.nodes["asr"].models == {"model": BASE}
    assert larger.nodes["mt"] == read_pipeline({"nodes": CASCADE, "target_language": "de"}).nodes["mt"]
    route = pipelines["route"]
    assert route.nodes["asr-again"].when == ("asr-doubt", "escalate")
    assert (route.nodes["mt"].of, route.nodes["asr-chosen"].of) == (("asr-chosen",), ("asr-again", "asr"))
    assert (route.outputs["transcript"], route.outputs["translation"]) == ("asr-chosen", "mt")
    wider = pipelines["wider search of transcripts"]
    assert wider.definitions["asr"] == {**CASCADE["asr"], "beam_size": 5}
    refined = pipelines["refinement"]
    assert refined.outputs["translation"] == "mt-refined-1"
    soup = pipelines["soup"]
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
    assert chosen.nodes["asr"].models == {"model": "store:mine"}
    assert "expected another than the run's" in str(proposed(best, recognizer=BASE)["route"])


def test_the_file_of_a_remedy_is_its_pipeline() -> None:
    route = proposed()["route"]
    assert isinstance(route, Pipeline)
    values, _ = parse_yaml(format_pipeline(route), "winner.yaml")
    assert read_pipeline(values) == route


def test_each_model_above_a_vote_or_a_refinement_has_remedies_of_its_own() -> None:
    pipelines = proposed(REFINED, recognizer="store:large")
    for name, other in (("tiny", "base"), ("base", "tiny")):
        larger = pipelines[f"larger recognizer: {name}"]
        assert larger.definitions[name]["model"] == "store:large"
        assert larger.definitions[other] == REFINED[other]
        assert isinstance(pipelines[f"wider search of transcripts: {name}"], Pipeline)
    route = pipelines["route: tiny"]
    assert route.nodes["asr"].of == ("base", "tiny-chosen")
    wider = pipelines["wider search of translations"]
    assert wider.definitions["mt"]["beam_size"] == 5
    assert "expected terms: FILE" in str(pipelines["terms"])  # once, not for each recognizer
    judged = {**REFINED, "sure": {"kind": "estimate", "of": ["final-2", "asr"], "model": "store:sure"}}
    assert situation_of(judged).models_above("translate", ["sure"]) == ["mt"]


def test_without_a_model_above_the_node_is_named() -> None:
    written = {"mt": CASCADE["mt"] | {"of": "data"}, "final": {"kind": "refine", "of": "mt", "rounds": 1}}
    pipelines = proposed(written)
    assert pipelines["larger recognizer"] == "expected a node of kind recognize, found none"
    assert isinstance(pipelines["refinement"], Pipeline)


def test_a_gain_is_bounded_by_what_is_lost_at_the_node_or_for_a_revision_by_all_that_is() -> None:
    situation = situation_of(REFINED)

    def estimate(value: float) -> Estimate:
        return Estimate(value=value, interval=(value - 1, value + 2))

    gaps = {"asr": 2.6, "mt": 26.7, "final": 0.0}
    blame = Attribution(
        metric="chrf", score=estimate(73.3), all_gold=estimate(75.9), parts=(), ceiling=100.0, is_human=False,
        stages=tuple(StageAttribution(stage=n, gap=estimate(g), retention=None) for n, g in gaps.items()),
        culprit=None, n=12, n_total=12, signature="chrf",
    )  # fmt: skip
    bounds = {row.remedy: bound_gain(row, situation, blame) for row in propose(situation)}
    assert bounds["larger recognizer: tiny"] == bounds["terms"] == estimate(2.6)
    assert bounds["wider search of translations"] == estimate(26.7)
    assert bounds["refinement"].value == pytest.approx(26.7)
    assert bounds["refinement"].interval == pytest.approx((24.7, 27.7))
    plain = situation_of(CASCADE)
    gaps = {"asr": 2.6, "mt": 24.1}
    stages = tuple(StageAttribution(stage=n, gap=estimate(g), retention=None) for n, g in gaps.items())
    blame = blame.model_copy(update={"stages": stages})
    bounds = {row.remedy: bound_gain(row, plain, blame) for row in propose(plain)}
    assert bounds["refinement"] == bounds["wider search of translations"] == estimate(24.1)
