"""The fast forms of minimum Bayes risk against the exact one, and that against plain loops."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.aggregated_utilities import AGGREGATED_UTILITIES
from components.ensembling.output_level.risk.clipped_matches import expect_clipped_matches
from components.ensembling.output_level.risk.mbr_utilities import UTILITIES, sentence_chrf
from components.ensembling.output_level.risk.minimum_bayes_risk import (
    prune_candidates,
    rank_by_expected_utility,
)
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

WORDS = ["ein", "zwei", "Hund", "Hunde", "Katze", "läuft", "liefen", "schnell", "über", "die", "Wiese"]
texts = st.lists(st.text("ab é", max_size=14), min_size=1, max_size=6)


def samples(count: int, seed: int, errors: int = 6) -> list[Hypothesis]:
    """Versions of a sentence of 10 words, in which up to ``errors`` words are others."""
    rng = random.Random(seed)
    sentence = [rng.choice(WORDS) for _ in range(10)]
    versions = []
    for _ in range(count):
        words = list(sentence)
        for _ in range(rng.randint(0, errors)):
            words[rng.randrange(10)] = rng.choice(WORDS)
        versions.append(make_hypothesis(" ".join(words), score=-1.0))
    return versions


def rank(form: str, nbests: list[SystemNBest], utility: str = "chrf") -> tuple[Hypothesis, ...]:
    config = SystemCombinationConfig(
        method="minimum_bayes_risk", mbr=form, utility=utility, n_best=4096, scale=0.0
    )
    return rank_by_expected_utility(nbests, config, "de")


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=5), st.data())
def test_expected_matches_are_the_mean_of_clipped_matches(bags: list[list[str]], data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.floats(0, 2), min_size=len(bags), max_size=len(bags))))
    plain = [
        sum(w * (Counter(a) & Counter(b)).total() for w, b in zip(weights, bags, strict=True)) for a in bags
    ]
    np.testing.assert_allclose(expect_clipped_matches(bags, weights[None])[:, 0], plain, atol=1e-9)


@settings(max_examples=150)
@given(texts, st.data())
def test_aggregated_chrf_is_never_below_the_exact_one(candidates: list[str], data: st.DataObject) -> None:
    """Its expected precision and recall are exact, and the F-score is concave."""
    masses = np.array(
        data.draw(st.lists(st.floats(0.1, 1), min_size=len(candidates), max_size=len(candidates)))
    )
    weights = masses / masses.sum()
    aggregated = AGGREGATED_UTILITIES["chrf"](candidates, weights[None], "de")[:, 0]
    exact = sentence_chrf(candidates, candidates, "de") @ weights
    assert (aggregated >= exact - 1e-9).all()


@pytest.mark.parametrize("utility", AGGREGATED_UTILITIES)
def test_one_reference_is_its_own_average(utility: str) -> None:
    candidates = ["ein Hund läuft über die Wiese", "ein Hund", "", "kurz", "eine Katze läuft über die Wiese"]
    exact = UTILITIES[utility](candidates, candidates, "de")
    aggregated = AGGREGATED_UTILITIES[utility](candidates, np.eye(len(candidates)), "de")
    np.testing.assert_allclose(aggregated, exact, atol=1e-9)


@pytest.mark.parametrize(("utility", "gap"), [("chrf", 0.3), ("bleu", 4.0)])
def test_aggregation_finds_what_the_exact_form_finds_or_nearly_so(utility: str, gap: float) -> None:
    """The loss in exact expected utility of its winner, on 40 pools of 60 samples; the shares as well."""
    losses = []
    for seed in range(40):
        pool = make_nbests(samples(40, seed), samples(20, seed))
        exact = {h.text: h.features for h in rank("exact", pool, utility)}
        fast = rank("aggregated", pool, utility)
        best = max(f["expected_utility"] for f in exact.values())
        losses.append(best - exact[fast[0].text]["expected_utility"])
        shares = exact[fast[0].text]["share:a"], fast[0].features["share:a"]
        assert shares[0] == pytest.approx(shares[1], abs=0.05)
    assert max(losses) <= gap
    assert sum(loss < 1e-9 for loss in losses) >= 32


@pytest.mark.parametrize(("utility", "pools"), [("chrf", 20), ("wer", 60)])
def test_pruning_keeps_the_exact_winner_and_prunes(utility: str, pools: int) -> None:
    """At most 1 of 100 winners may be lost; then 3 of 60 or more are in 2% of cases."""
    lost = left = 0
    for seed in range(pools):
        pool = make_nbests(samples(128, seed))
        exact, fast = rank("exact", pool, utility), rank("pruned", pool, utility)
        kept = {h.text: h.features for h in exact}
        assert all(h.features == pytest.approx(kept[h.text]) for h in fast)
        lost += fast[0].text != exact[0].text
        left += len(fast)
    assert lost <= 2
    assert left < pools * 20


def test_pruning_computes_a_part_of_the_pairs_and_nothing_is_pruned_of_few() -> None:
    rng = np.random.default_rng(0)
    means, pairs = np.linspace(0, 10, 512), 0

    def utility(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        nonlocal pairs
        pairs += rows.size * columns.size
        return means[rows][:, None] + rng.normal(size=(rows.size, columns.size))

    left = prune_candidates(utility, np.full(512, 1 / 512), 0.01)
    assert 511 in left
    assert pairs < 0.15 * 512**2
    assert prune_candidates(utility, np.full(40, 1 / 40), 0.01).tolist() == list(range(40))


def test_equal_candidates_are_all_kept() -> None:
    left = prune_candidates(
        lambda rows, columns: np.ones((rows.size, columns.size)), np.full(90, 1 / 90), 0.01
    )
    assert len(left) == 90


def test_samples_that_are_equal_count_as_often_as_they_were_drawn() -> None:
    often, other = make_hypothesis("ein Hund", score=-1.0), make_hypothesis("zwei Katzen", score=-1.0)
    best = rank("exact", make_nbests([other, often, often, often]))[0]
    assert best.text == "ein Hund"
    assert best.features["expected_utility"] == pytest.approx(
        75 + 25 * sentence_chrf(["ein Hund"], ["zwei Katzen"], "")[0, 0] / 100
    )
