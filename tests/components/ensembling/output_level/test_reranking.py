from __future__ import annotations

import pytest

from components.ensembling.output_level.candidates import collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.reranking import compute_features, rerank
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.errors import ConfigError
from components.records import Hypothesis
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests


def with_lm(text: str, lm: float, score: float) -> Hypothesis:
    return make_hypothesis(text, score=score).model_copy(update={"features": {"lm": lm}})


LISTS = [with_lm("ein Hund", -3.0, -1.0), with_lm("ein Hut", -5.0, -0.5)]


def config(**coefficients: float) -> SystemCombinationConfig:
    return SystemCombinationConfig(method="reranking", coefficients=coefficients)


def test_the_sum_by_hand() -> None:
    result = rerank(make_nbests(LISTS), config(log_prob=1.0, lm=0.5, words=0.1))
    assert [h.text for h in result] == ["ein Hund", "ein Hut"]
    assert [h.features["reranking"] for h in result] == pytest.approx([-2.3, -2.8])
    assert rerank(make_nbests(LISTS), config(log_prob=1.0))[0].text == "ein Hut"


def test_features_by_name() -> None:
    columns = compute_features(
        collect_candidates(make_nbests(LISTS, make_hypothesis("ein Hut")), 5, 0.0),
        SystemCombinationConfig(),
        "de",
    )
    assert columns["vote:a"].tolist() == [0.25, 0.25]
    assert columns["vote:b"].tolist() == [0.0, 0.5]
    assert columns["mean_log_prob"].tolist() == [-0.5, -0.25]
    assert columns["words"].tolist() == [2, 2]
    assert columns["characters"].tolist() == [8, 7]
    assert columns["lm"].tolist() == [-3.0, -5.0]


def test_agreement_alone_is_minimum_bayes_risk() -> None:
    nbests = make_nbests(
        LISTS,
        [make_hypothesis("ein Hund", score=-2.0), make_hypothesis("zwei Hunde", score=-1.0)],
        make_hypothesis("ein Huhn"),
    )
    selected = [h.text for h in rerank(nbests, config(agreement=1.0))]
    assert selected == [h.text for h in rank_by_expected_utility(nbests, SystemCombinationConfig())]


def test_a_system_without_an_offer_has_no_vote() -> None:
    assert rerank(make_nbests(LISTS), config(**{"vote:b": 9.0, "log_prob": 1.0}))[0].text == "ein Hut"


def test_ties_keep_the_order_offered() -> None:
    assert [h.text for h in rerank(make_nbests(LISTS), config(words=1.0))] == ["ein Hund", "ein Hut"]


def test_errors() -> None:
    with pytest.raises(ConfigError, match="found none; learn them"):
        rerank(make_nbests(LISTS), config())
    with pytest.raises(ConfigError, match=r"expected features among .*lm.*, found 'lmm'"):
        rerank(make_nbests(LISTS), config(lmm=1.0))
