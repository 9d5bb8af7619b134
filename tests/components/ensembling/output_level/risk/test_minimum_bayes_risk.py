from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

CHRF_CONFIG = SystemCombinationConfig(method="minimum_bayes_risk")
sentences = st.lists(st.sampled_from(["ein", "Hund", "läuft", "zwei"]), min_size=1, max_size=5).map(" ".join)
hypotheses = st.builds(make_hypothesis, sentences, score=st.floats(-5, 0))
nbest_lists = st.lists(st.lists(hypotheses, min_size=1, max_size=3), min_size=1, max_size=3)


def plain(nbests: list[SystemNBest], scale: float, text: str) -> dict[str, float]:
    """Expected chrF of ``text``, system by system, in plain loops."""
    chrf = CHRF()
    total = sum(nbest.weight for nbest in nbests)
    parts = {}
    for nbest in nbests:
        masses = [math.exp(scale * h.score) for h in nbest.hypotheses]
        parts[nbest.system] = sum(
            nbest.weight / total * mass / sum(masses) * chrf.sentence_score(text, [h.text]).score
            for h, mass in zip(nbest.hypotheses, masses, strict=True)
        )
    return parts


@settings(max_examples=60)
@given(nbest_lists, st.floats(0, 3), st.data())
def test_it_is_the_plain_loop(nbests: list[list[Hypothesis]], scale: float, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 3), min_size=len(nbests), max_size=len(nbests)))
    given_ = make_nbests(*nbests, weights=weights)
    result = rank_by_expected_utility(given_, CHRF_CONFIG.model_copy(update={"scale": scale}))
    assert {h.text for h in result} == {h.text for row in nbests for h in row}
    for hypothesis in result:
        parts = plain(given_, scale, hypothesis.text)
        features = hypothesis.features
        assert features["expected_utility"] == pytest.approx(sum(parts.values()))
        shares = {name: part / sum(parts.values()) for name, part in parts.items() if sum(parts.values())}
        assert {n: features[f"share:{n}"] for n in shares} == pytest.approx(shares)
    ranked = [hypothesis.features["expected_utility"] for hypothesis in result]
    assert ranked == pytest.approx(sorted(ranked, reverse=True))  # equal ones differ by a last bit


def test_posterior_of_everything_on_one_is_that_one() -> None:
    lists = [
        make_hypothesis("Katze", score=0.0),
        make_hypothesis("ein Hund", score=-90.0),
        make_hypothesis("ein Hund!", score=-90.0),
    ]
    assert rank_by_expected_utility(make_nbests(lists), CHRF_CONFIG)[0].text == "Katze"
    assert (
        rank_by_expected_utility(make_nbests(lists), SystemCombinationConfig(scale=0.0))[-1].text == "Katze"
    )


def test_ties_go_to_the_first_system_and_texts_are_taken_as_they_are() -> None:
    first, second = make_hypothesis("b a", system="x"), make_hypothesis("a b", system="y")
    config = SystemCombinationConfig(utility="wer")
    assert [h.system for h in rank_by_expected_utility(make_nbests(first, second), config)] == ["x", "y"]
    assert [h.system for h in rank_by_expected_utility(make_nbests(second, first), config)] == ["y", "x"]


def test_expected_word_error_rate_by_hand() -> None:
    """weights 1/3 each: 'a b c' has 0, 1/2 and 1/3 errors per word of the others: -(0 + 50 + 100/3) / 3."""
    result = rank_by_expected_utility(
        make_nbests(make_hypothesis("a b c"), make_hypothesis("a b"), make_hypothesis("a b d")),
        SystemCombinationConfig(utility="wer"),
        "de",
    )
    values = {h.text: h.features["expected_utility"] for h in result}
    assert values == pytest.approx(
        {"a b c": -(50 + 100 / 3) / 3, "a b": -200 / 9, "a b d": -(50 + 100 / 3) / 3}
    )
    best = result[0]
    assert best.text == "a b"
    right = {"a": 2 / 3, "b": 1.0, "c": 2 / 3}
    assert {n: best.features[f"share:{n}"] for n in right} == pytest.approx(
        {n: v / sum(right.values()) for n, v in right.items()}
    )


def test_nothing_in_common_leaves_the_votes_as_shares() -> None:
    result = rank_by_expected_utility(make_nbests(make_hypothesis("")), CHRF_CONFIG)
    assert result[0].features["share:a"] == 1.0


@pytest.mark.parametrize("mbr", ["exact", "aggregated", "pruned"])
@pytest.mark.parametrize("utility", ["chrf", "bleu"])
def test_two_votes_for_silence_are_more_than_one_for_words(utility: str, mbr: str) -> None:
    silent, words = make_hypothesis(""), make_hypothesis("Thank you.")
    config = SystemCombinationConfig(method="minimum_bayes_risk", utility=utility, mbr=mbr)
    result = rank_by_expected_utility(make_nbests(silent, words, silent), config)
    assert {h.text: h.features["expected_utility"] for h in result} == pytest.approx(
        {"": 200 / 3, "Thank you.": 100 / 3}
    )
    assert result[0].features["share:c"] == pytest.approx(0.5)


def test_only_the_first_n_best_take_part() -> None:
    lists = [
        make_hypothesis("a", score=-1.0),
        make_hypothesis("b", score=-1.0),
        make_hypothesis("b c", score=-1.0),
    ]
    assert len(rank_by_expected_utility(make_nbests(lists), SystemCombinationConfig(n_best=2))) == 2
