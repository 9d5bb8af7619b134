from __future__ import annotations

import pytest

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.system_combination import METHODS, check_combination, combine_outputs
from components.errors import ConfigError
from components.records import NBest, Outcome, Quarantined
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis

BAD = Quarantined(utterance_id="u", stage="asr", reason="unreadable audio", detail="...")
COEFFICIENTS = {"agreement": 1.0}


def make_nbest(*texts: str) -> NBest:
    lists = tuple(make_hypothesis(text, score=-float(n)) for n, text in enumerate(texts))
    return NBest(utterance_id="u", hypotheses=lists, language="en")


def combine(outcomes: dict[str, Outcome | None], **settings: object) -> Outcome:
    config = SystemCombinationConfig.model_validate({"coefficients": COEFFICIENTS, **settings})
    return combine_outputs("u", outcomes, config, "en")


@pytest.mark.parametrize("method", METHODS)
def test_a_system_that_lacks_the_utterance_is_left_out_and_counted(method: str) -> None:
    result = combine({"x": make_nbest("a b"), "y": BAD, "z": None}, method=method)
    assert (result.best.text, result.best.features["systems"], result.language) == ("a b", 1.0, "en")


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_of_zero_leaves_a_system_out(method: str) -> None:
    result = combine({"x": make_nbest("a b"), "y": make_nbest("c d")}, method=method, weights=(0.0, 2.0))
    assert [h.text for h in result.hypotheses] == ["c d"]


def test_no_system_left_is_quarantine_with_everyones_reason() -> None:
    result = combine({"x": BAD, "y": None})
    assert "x: unreadable audio; y: no output" in result.detail


def test_all_candidates_come_back_best_first_at_most_n_best() -> None:
    outcomes: dict[str, Outcome | None] = {"x": make_nbest("a b", "a"), "y": make_nbest("a b c", "a b")}
    result = combine(outcomes, method="minimum_bayes_risk", n_best=2)
    ranks = [hypothesis.features["expected_utility"] for hypothesis in result.hypotheses]
    assert len(ranks) == 2
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("settings", "systems", "message"),
    [
        ({}, [], "at least one system"),
        ({}, ["x", "x"], "a different name"),
        ({"weights": (1.0,)}, ["x", "y"], r"one for each of the 2 systems \(x, y\), found 1"),
        ({"weights": (1.0, -1.0)}, ["x", "y"], "at least 0"),
        ({"weights": (0.0, 0.0)}, ["x", "y"], "not all 0"),
        ({"weights": (float("inf"), 0.0)}, ["x", "y"], "at least 0"),
        ({"method": "rover", "mbr": "pruned"}, ["x"], "expected method minimum_bayes_risk, found rover"),
        ({"method": "minimum_bayes_risk", "mbr": "aggregated", "utility": "wer"}, ["x"], "take mbr pruned"),
        ({"method": "reranking"}, ["x", "y"], "coefficients: expected weights of features"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], systems: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_combination(SystemCombinationConfig.model_validate(settings), systems)
