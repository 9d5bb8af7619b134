"""Scores by a model as a node: what is in its key, and what is refused before the model is fetched."""

from __future__ import annotations

import pytest

from components.errors import ConfigError, ModelError
from components.nodes.node_context import NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import Route
from components.refining.config import TEXT_ESTIMATE_NAMES
from components.refining.judging.text_estimators import TEXT_ESTIMATORS
from components.refining.kinds.score_texts import ScoreSettings, ScoreTexts
from tests.components.nodes.items import compute, item, nbest
from tests.components.pipeline.test_planning import cascade

QE = {"kind": "score_texts", "of": "mt", "metric": "cometkiwi:hub:a/b"}


def test_its_device_and_model_are_those_of_its_settings() -> None:
    node = read_pipeline({"nodes": {**cascade(), "qe": {**QE, "device": "cpu"}}}).nodes["qe"]
    assert (node.models, node.kind.facts(node.settings).device) == ({"model": "hub:a/b"}, "cpu")
    assert "torch" in node.kind.facts(node.settings).libraries


def test_transcripts_and_models_that_are_not_there_are_refused() -> None:
    settings = ScoreSettings(metric="cometkiwi:packaged:no-such")
    with pytest.raises(ConfigError, match=r"of: expected a translation, .*, found a transcript"):
        ScoreTexts().check(settings, NodeContext("qe", transcripts=True))
    with pytest.raises(ModelError, match="no-such"):
        ScoreTexts().check(settings, NodeContext("qe", transcripts=False))
    absent = ScoreSettings(metric="cometkiwi:/no/such/folder")
    with pytest.raises(ModelError, match="/no/such/folder"):
        ScoreTexts().validate_models(absent, NodeContext("qe"), frozenset())


def test_an_estimate_by_another_model_is_the_value_of_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXT_ESTIMATORS, "fluency", lambda *_: lambda items, texts: [len(t) for t in texts])
    texts = [item("a", asr=nbest("a", "a dog", "a cat")), item("b", asr=nbest("b", "horse and cart"))]
    monkeypatch.setattr("components.models.check", lambda *_, **__: None)
    outcomes = compute(ScoreTexts(), {"metric": "fluency:m"}, texts)  # of transcripts, which have no source
    assert outcomes == [
        Route(utterance_id="a", branch="scored", value=5),
        Route(utterance_id="b", branch="scored", value=14),
    ]
    with pytest.raises(ConfigError, match=r"of: expected a translation, .*, found a transcript"):
        compute(ScoreTexts(), {"metric": "forward:m"}, texts)


def test_estimates_are_rows_of_the_table_and_need_a_model_that_can_give_them() -> None:
    assert tuple(TEXT_ESTIMATORS) == TEXT_ESTIMATE_NAMES
    with pytest.raises(ValueError, match="or forward, dropout_forward, round_trip, fluency with a model"):
        ScoreSettings(metric="forwards:m")
    with pytest.raises(ValueError, match="found 'fluency'"):
        ScoreSettings(metric="fluency")
    wrong = ScoreSettings(metric="fluency:packaged:multi30k-en-de")
    with pytest.raises(ConfigError, match="metric: expected a causal language model for fluency"):
        ScoreTexts().validate_models(wrong, NodeContext("s"), frozenset({("en", "de")}))
