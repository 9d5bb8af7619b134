"""Which parts a pipeline's nodes have, and the graphs without some of them."""

from __future__ import annotations

from typing import Any

import pytest

from components.attribution.ablation import ablations_of
from components.errors import ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline

ASR: dict[str, Any] = {"kind": "recognize", "model": "packaged:whisper-tiny.en"}
MT: dict[str, Any] = {"kind": "translate", "of": "asr"}
ROVER: dict[str, Any] = {"kind": "combine", "of": ["a", "b", "c"]}


def graph(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": nodes, "target_language": "de"})


def test_members_keep_their_devices() -> None:
    members = ["store:b", {"model": "store:c", "device": "cuda:1"}]
    pipeline = graph(asr=ASR, mt={**MT, "model": "store:a", "members": members})
    (result,) = ablations_of(pipeline, pipeline.nodes)
    left = result.pipelines[frozenset({"store:a", "store:c"})].definitions["mt"]
    assert (left["members"], left["member_devices"]) == (["store:c"], ["cuda:1"])
    alone = result.pipelines[frozenset({"store:c"})].definitions["mt"]
    assert (alone["model"], alone["device"], alone["members"]) == ("store:c", "cuda:1", [])


def test_members_that_are_mixed_leave_and_what_they_learn_is_learned_again() -> None:
    learned = {"combine": {"learn": "constants", "dev": "sample"}}
    pipeline = graph(asr=ASR, mt={**MT, "model": "store:a", "members": ["store:b", "store:a"], **learned})
    (result,) = ablations_of(pipeline, pipeline.nodes)
    assert (result.title, result.parts) == ("members of mt", ("store:a #1", "store:b", "store:a #3"))
    assert len(result.pipelines) == 7
    two = result.pipelines[frozenset(("store:b", "store:a #3"))].nodes
    assert two["mt"].models == {"member1": "store:b", "member2": "store:a"}
    assert two["mt-coefficients"].models == two["mt"].models
    alone = result.pipelines[frozenset(("store:b",))]
    assert list(alone.nodes) == ["asr", "mt"]
    assert alone.nodes["mt"].models == {"model": "store:b"}
    assert alone.outputs == {"translation": "mt"}


def test_inputs_that_are_combined_leave_and_one_alone_is_not_combined() -> None:
    models = [f"packaged:whisper-{size}" for size in ("tiny.en", "base", "small")]
    nodes = {name: {**ASR, "model": model} for name, model in zip("abc", models, strict=True)}
    pipeline = graph(**nodes, asr=ROVER, mt=MT)
    (result,) = ablations_of(pipeline, pipeline.nodes)
    assert (result.title, result.parts, result.transcripts) == ("inputs of asr", ("a", "b", "c"), True)
    assert result.models == dict(zip("abc", models, strict=True))
    assert result.pipelines[frozenset("ac")].nodes["asr"].of == ("a", "c")
    assert list(result.pipelines[frozenset("b")].nodes) == ["b"]
    assert result.pipelines[frozenset("b")].outputs == {"transcript": "b"}


def test_coefficients_that_were_tuned_are_tuned_on_the_same_inputs() -> None:
    dev = {name: {**ASR, "of": "dev", "beam_size": size} for size, name in enumerate(("x", "y", "z"), 1)}
    tune = {"kind": "fit_reranker", "method": "reranking", "of": ["x", "y", "z"]}
    rover = {**ROVER, "method": "reranking", "tuned": "tune"}
    models = {name: {**ASR, "beam_size": size} for size, name in enumerate("abc", 1)}
    pipeline = graph(dev={"kind": "data", "source": "sample"}, **dev, tune=tune, **models, asr=rover)
    (result,) = ablations_of(pipeline, pipeline.nodes)
    two = result.pipelines[frozenset("bc")].nodes
    assert (two["asr"].of, two["tune"].of) == (("b", "c"), ("y", "z"))
    assert "x" not in two


def test_rounds_follow_each_other() -> None:
    pipeline = graph(asr=ASR, mt=MT, final={"kind": "refine", "of": "mt", "rounds": 3})
    finished = [name for name in pipeline.nodes if name != "final-3"]  # it had nothing to do
    (result,) = ablations_of(pipeline, finished)
    assert (result.parts, result.empty) == (("final-1", "final-2"), "the draft")
    assert [list(one.nodes)[-1] for one in result.pipelines.values()] == ["mt", "final-1", "final-2"]


def test_the_rounds_of_a_node_that_does_not_say_how_many_are_taken_away_too() -> None:
    pipeline = graph(asr=ASR, mt=MT, final={"kind": "refine", "of": "mt"})
    (result,) = ablations_of(pipeline, pipeline.nodes)
    assert [list(each.nodes)[-1] for each in result.pipelines.values()] == ["mt", "final-1", "final-2"]


def test_a_stacked_system_is_told_less() -> None:
    stack = {"kind": "stack", "of": ["data", "asr"], "method": "dual_source", "model": "store:s"}
    pipeline = graph(asr=ASR, stack=stack)
    (result,) = ablations_of(pipeline, pipeline.nodes)
    deaf = result.pipelines[frozenset(("transcript",))].nodes["stack"]
    assert deaf.settings.model_dump()["ablate"] == ("sound",)


def test_what_a_run_did_not_finish_is_not_ablated() -> None:
    stack = {"kind": "stack", "of": ["data", "asr"], "method": "dual_source", "model": "store:s"}
    refine = {"kind": "refine", "of": "mt", "rounds": 2}
    pipeline = graph(
        a=ASR, b={**ASR, "beam_size": 2}, asr={**ROVER, "of": ["a", "b"]}, mt=MT, stack=stack, r=refine
    )
    assert ablations_of(pipeline, ["a", "b", "mt"]) == []


def test_members_without_a_model_beside_them_are_all_the_parts() -> None:
    pipeline = graph(asr=ASR, mt={**MT, "members": ["store:a", "store:a"]})
    (result,) = ablations_of(pipeline, pipeline.nodes)
    assert result.parts == ("store:a #1", "store:a #2")
    assert list(pipeline.nodes["mt"].models.values()) == ["store:a", "store:a"]


def test_parts_that_cannot_be_taken_away_and_texts_without_references(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fixed = graph(
        asr=ASR, mt={**MT, "members": ["store:a", "store:b"], "combine": {"coefficients": [0.5, 0.5]}}
    )
    with pytest.raises(ConfigError, match="members of mt without dropout and without fixed coefficients"):
        ablations_of(fixed, fixed.nodes)
    learned = {**MT, "members": ["store:a", "store:b"]}
    both = graph(asr=ASR, mt=fixed.definitions["mt"], second=learned)  # one fixed node refused all the others
    assert [each.title for each in ablations_of(both, both.nodes)] == ["members of second"]
    assert "left out: expected members of mt" in caplog.text
    many = graph(asr=ASR, mt={**MT, "members": [f"store:{n}" for n in range(7)]})
    with pytest.raises(ConfigError, match="expected at most 6 parts in mt, found 7"):
        ablations_of(many, many.nodes)
    weighted = graph(a=ASR, b={**ASR, "beam_size": 2}, asr={**ROVER, "of": ["a", "b"], "weights": [0.5, 0.5]})
    with pytest.raises(ConfigError, match="members of asr without dropout and without fixed coefficients"):
        ablations_of(weighted, weighted.nodes)
    pivot = graph(asr=ASR, fr={**MT, "to": "fr", "members": ["store:a", "store:b"]}, de={**MT, "of": "fr"})
    assert ablations_of(pivot, pivot.nodes) == []
