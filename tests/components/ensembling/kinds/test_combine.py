"""Finished outputs of several nodes as one, and the coefficients that are learned for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.ensembling.kinds.combine import Combine, CombineSettings
from components.ensembling.kinds.fit_reranker import FitReranker
from components.ensembling.output_level.config import COEFFICIENTS_FILE
from components.errors import AntiphonError, ConfigError, DataError
from components.files.files import read_json
from components.nodes.node_context import Item, NodeContext
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.records import Hypothesis, NBest, NodeOutcome, Outcome, Quarantined, Segment, Utterance
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import compute_once
from components.storage.store import Store
from tests.components.storage.written import written

VOTES = CombineSettings(n_best=1)
RERANK = CombineSettings(method="reranking", utility="wer", tuned="weights")


def nbest(key: str, text: str) -> NBest:
    return NBest(utterance_id=key, hypotheses=(Hypothesis(text=text, score=-1.0, n_tokens=2, system="tiny"),))


def poison(key: str) -> Quarantined:
    return Quarantined(utterance_id=key, stage="asr", reason="poison", detail="-")


def combined(
    settings: CombineSettings, context: NodeContext, inputs: Mapping[str, Outcome]
) -> NodeOutcome | None:
    utterance = Utterance(id="u", text="u", source_language="en")
    (outcome,) = Combine().build(settings, context)([Item(utterance=utterance, inputs=dict(inputs))])
    return outcome


def test_two_outvote_one_unless_its_vote_weighs_more() -> None:
    context = NodeContext("asr", of=("x", "y", "z"))
    inputs = {"x": nbest("u", "bat"), "y": nbest("u", "cat"), "z": nbest("u", "cat")}
    voted = combined(VOTES, context, inputs)
    assert (voted.best.text, voted.best.features["systems"]) == ("cat", 3.0)
    assert set(voted.best.tokens[0].members) == {"2", "3"}  # numbers, whatever the nodes are called
    weighted = combined(VOTES.model_copy(update={"weights": (5.0, 1.0, 1.0)}), context, inputs)
    assert weighted.best.text == "bat"


def test_the_language_model_of_a_feature_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.models.loaders import language_model

    monkeypatch.setattr(language_model, "load_language_model", lambda *asked: asked)
    context = NodeContext("asr", of=("x", "y"), store="s")
    named = CombineSettings(method="reranking", coefficients={}, language_model="packaged:lm")
    assert Combine().language_model(named, context) == ("packaged:lm", "s")
    assert Combine().language_model(RERANK, context) is None


def test_one_that_others_lack_goes_on_and_one_that_all_lack_is_quarantined() -> None:
    context = NodeContext("asr", of=("x", "y"))
    single = combined(VOTES, context, {"x": poison("u"), "y": nbest("u", "cat")})
    assert (single.best.text, single.best.features["systems"]) == ("cat", 1.0)
    none = combined(VOTES, context, {"x": poison("u")})
    assert "1: poison; 2: no output" in none.detail


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"weights": (1.0,)}, r"weights: expected one for each of the 2 systems \(x, y\), found 1"),
        ({"weights": (0.0, 0.0)}, "not all 0"),
        ({"method": "reranking"}, "coefficients: expected weights of features"),
        ({"method": "reranking", "tuned": "w", "language_model": "packaged:nope"}, "packaged:nope"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(AntiphonError, match=fault):
        Combine().check(CombineSettings.model_validate(settings), NodeContext("asr", of=("x", "y")))


def pipeline(*of: str, names: Sequence[str] = "xy", **settings: Any) -> Pipeline:
    nodes = {name: {"kind": "translate", "beam_size": size} for size, name in enumerate(names, 5)}
    return read_pipeline({"nodes": {**nodes, "mt": {"kind": "combine", "of": list(of), **settings}}})


def test_the_order_is_in_the_key_and_no_name_is(tmp_path: Path) -> None:
    text = Utterance(id="a", text="a dog", source_language="en", target_language="de")
    data = {"data": written(Store(str(tmp_path)), "data", [text])}

    def key(names: Sequence[str], of: Sequence[str]) -> str:
        graph = pipeline(*of, names=names)
        return plan_nodes(graph, data, None, 0, lambda named, _: dict(named))["mt"].stage.key

    assert key("xy", "xy") == key("vw", "vw")
    assert key("xy", "xy") != key("xy", "yx")  # it decides ties


def test_a_table_is_read_where_a_table_is_expected() -> None:
    with pytest.raises(
        ConfigError, match=r"mt\.tuned: expected a node of kind fit_reranker, found x \(translate\)"
    ):
        pipeline("x", "y", method="reranking", tuned="x")
    with pytest.raises(ConfigError, match="of: expected 2 to 64 nodes, found 1"):
        pipeline("x")


def items(transcript: str | None, **of_all: Any) -> Iterator[Item]:
    """The first system is always wrong; the second is right."""
    for key in (f"u{n}" for n in range(6)):
        values = {"source_language": "en", "transcript": transcript and f"{transcript} {key}", **of_all}
        utterance = Utterance.model_validate({"id": key, "text": key, **values})
        yield Item(
            utterance=utterance, inputs={"x": nbest(key, f"a bat {key}"), "y": nbest(key, f"a cat {key}")}
        )


def test_what_is_tuned_is_used(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    context = NodeContext("weights", str(tmp_path), of=("x", "y"), transcripts=True)
    plan = StagePlan(stage="weights", version="1")
    table = compute_once(
        store, plan, lambda folder: FitReranker().collect(RERANK, context, items("a cat"), folder)
    )
    assert table.items == 6
    assert "wer" in FitReranker().notes(RERANK, context, table, table)[0]
    known = replace(context, tables={"tuned": table})
    reranked = combined(RERANK, known, {"x": nbest("u", "a bat u"), "y": nbest("u", "a cat u")})
    assert reranked.best.text == "a cat u"


def test_coefficients_are_learned_under_the_weights_that_estimates_give(tmp_path: Path) -> None:
    def offer(key: str, text: str, other: str, p_correct: float) -> NBest:
        best = nbest(key, text).best.model_copy(update={"features": {"p_correct": p_correct}})
        second = nbest(key, other).best.model_copy(update={"score": -5.0})  # estimates are of the best alone
        return NBest(utterance_id=key, hypotheses=(best, second))

    read = list(items("a cat"))
    for number, item in enumerate(read):
        right, wrong = ("x", "y") if number % 2 else ("y", "x")
        key = item.utterance.id
        item.inputs[right] = offer(key, f"a cat {key}", f"a rat {key}", 0.9)
        item.inputs[wrong] = offer(key, f"a bat {key}", f"a hat {key}", 0.2)
    context = NodeContext("weights", of=("x", "y"), transcripts=True)
    by_estimates = RERANK.model_copy(update={"weights_by": "p_correct"})
    FitReranker().collect(by_estimates, context, iter(read), tmp_path)
    assert read_json(tmp_path / COEFFICIENTS_FILE)["score"] == 0


def test_nothing_to_tune_on_is_one_line(tmp_path: Path) -> None:
    references = {"references": ("ein Hund",), "target_language": "de"}
    for transcripts, given in ((True, items(None)), (False, items("a")), (False, items("a", **references))):
        context = NodeContext("weights", str(tmp_path), of=("x", "y"), transcripts=transcripts)
        with pytest.raises(DataError, match="weights: expected development utterances with outputs and ref"):
            FitReranker().collect(
                RERANK, context, given, tmp_path
            )  # there are no references in the texts' language
    same = [
        item.model_copy(update={"inputs": dict.fromkeys("xy", item.inputs["x"])}) for item in items("a cat")
    ]
    context = replace(context, transcripts=True)
    with pytest.raises(DataError, match="with candidates whose features differ, found none among 6"):
        FitReranker().collect(RERANK, context, iter(same), tmp_path)


def test_the_words_that_were_elected_have_the_times_of_the_first_system_that_knows_any() -> None:
    timed = (Segment(start=0, end=1, text="the bat"), Segment(start=2, end=3, text="sat"))
    best = nbest("u", "the bat sat").best.model_copy(update={"segments": timed})
    inputs = {
        "x": nbest("u", "the cat sat"),
        "y": NBest(utterance_id="u", hypotheses=(best,)),
        "z": nbest("u", "the cat sat"),
    }
    context = NodeContext("asr", of=("x", "y", "z"))
    voted = combined(VOTES, context, inputs)
    assert voted.best.segments == (Segment(start=0, end=1, text="the cat"), timed[1])
    chosen = combined(
        CombineSettings(method="minimum_bayes_risk", utility="wer", weights=(1, 9, 1)), context, inputs
    )
    assert chosen.best.segments == timed
