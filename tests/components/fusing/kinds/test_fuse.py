"""The kinds ``fuse`` and ``train_fuse``: what they read, what decides their keys, which node is told why."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.fusing import fuser
from components.fusing.kinds.fuse import Fuse
from components.pipeline.reading.reader import read_pipeline
from components.records import Quarantined
from tests.components.fusing.test_fuser import Oracle
from tests.components.nodes.items import compute, item, nbest, texts_of

TRAINING = {
    "train": {"kind": "data", "source": "multi30k:train"},
    "dev": {"kind": "data", "source": "multi30k:val"},
    "t": {"kind": "translate", "of": "train"},
    "d": {"kind": "translate", "of": "dev"},
    "mt": {"kind": "translate", "of": "data"},
    "fused": {"kind": "fuse", "of": "mt", "method": "trained", "model": "node:fit"},
}


def test_it_fuses_what_there_is_of_its_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Oracle(["a b c d", "x y"])
    monkeypatch.setitem(fuser.METHODS, "prompted", lambda config, store: writer)
    poison = Quarantined(utterance_id="u1", stage="one", reason="poison", detail="-")
    read = [
        item("u0", one=nbest("u0", "a b c e"), two=nbest("u0", "a b c d", "a b c f")),
        item("u1", one=poison, two=nbest("u1", "x z", "x y")),
        item("u2", one=poison, two=poison.model_copy(update={"reason": "silence"})),
    ]
    outcomes = compute(
        Fuse(), {"max_edit": 0.5, "model": "packaged:qwen2.5-coder-0.5b"}, read, of=("one", "two")
    )
    assert texts_of(outcomes[:2]) == ["a b c d", "x y"]
    assert (outcomes[2].reason, outcomes[2].stage) == ("poison", "node")
    assert [question.candidates for question in writer.questions] == [
        ["a b c e", "a b c d", "a b c f"],
        ["x z", "x y"],
    ]
    assert outcomes[1].best.features["systems"] == 1


def test_the_candidates_are_the_pool_beside_which_oracles_stand() -> None:
    settings = Fuse.settings.model_validate({"candidates": 2})
    lists = [nbest("u", "a", "b"), nbest("u", "c")]
    candidates = Fuse().facts(settings).candidates
    assert candidates is not None and candidates(lists) == ["a", "c"]


def read(fit: dict[str, Any]) -> None:
    read_pipeline({"target_language": "de", "nodes": {**TRAINING, "fit": {"kind": "train_fuse", **fit}}})


def test_a_training_reads_two_data_sets_and_as_many_lists_of_each() -> None:
    read({"of": ["train", "dev", "t", "d"]})
    for of in (["t", "d", "train", "dev"], ["train", "dev", "t", "d", "d"]):
        with pytest.raises(ConfigError, match=r"expected of: \[data, development data, lists of the first"):
            read({"of": of})


def test_an_estimator_that_will_be_fitted_on_what_new_texts_lack_is_refused() -> None:
    def read(features: tuple[str, ...], gated: dict[str, Any]) -> None:
        nodes = {
            **{"dev": {"kind": "data", "source": "dev.jsonl"}, "asr": {"kind": "recognize"}},
            **{"base": {"kind": "recognize"}, "dev-asr": {"kind": "recognize", "of": "dev"}},
            **{"dev-base": {"kind": "recognize", "of": "dev"}},
            "fit": {"kind": "fit_estimator", "of": ["dev-asr", "dev-base"], "features": features},
            "new": {**gated, "gate": "estimate", "estimator": "node:fit", "estimate": "p_correct"},
        }
        read_pipeline({"nodes": nodes, "source_language": "en"})

    fuse = {"kind": "fuse", "of": ["asr", "base"]}
    refine = {"kind": "refine", "of": "asr", "rounds": 1}
    read(("n_words", "agreement_words.2"), fuse)
    read(("n_words",), refine)
    for features, gated, found in (
        ((), fuse, "all features"),
        (("n_words", "mean_log_prob"), fuse, "mean_log_prob"),
        (("n_words", "agreement_words.2"), refine, r"agreement_words\.2"),
        ((), refine, "all features"),
    ):
        with pytest.raises(ConfigError, match=rf"new.*a proposed text has .* found {found} in node:fit"):
            read(features, gated)
