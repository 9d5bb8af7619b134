from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mert import (
    RerankingProblem,
    line_search,
    mert,
    search_weights,
    upper_envelope,
)
from components.ensembling.output_level.reranking import rerank
from components.metrics.table import METRICS
from components.metrics.translation_quality.translation import translation_scores
from components.records import Hypothesis
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

numbers = st.floats(-3, 3).map(lambda x: round(x, 1))
lines = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6)


@given(lines)
def test_the_envelope_is_the_highest_line_everywhere(pairs: list[tuple[float, float]]) -> None:
    offsets, slopes = (np.array(column) for column in zip(*pairs, strict=True))
    winners, corners = upper_envelope(offsets, slopes)
    assert len(winners) == len(corners) + 1
    assert corners == sorted(corners)
    for step in np.linspace(-40, 40, 161):
        index = int(np.searchsorted(corners, step))
        here = winners[index]
        assert offsets[here] + step * slopes[here] == pytest.approx(float((offsets + step * slopes).max()))


def problem(seed: int, utterances: int = 12, metric: str = "bleu", size: int = 2) -> RerankingProblem:
    """Random candidates whose first feature knows a little about their quality."""
    rng = np.random.default_rng(seed)
    features, statistics = [], []
    for _ in range(utterances):
        matches = rng.integers(1, 10, size=(4, 1)) - np.arange(4)
        matches = np.clip(matches, 0, None)
        totals = np.tile(10 - np.arange(4), (4, 1))
        statistics.append(
            np.hstack([np.full((4, 1), 10), np.full((4, 1), 11), matches, totals]).astype(float)
        )
        noise = rng.normal(size=(4, size))
        noise[:, 0] += 0.3 * matches[:, 0]
        features.append(noise)
    return RerankingProblem(tuple(features), tuple(statistics), METRICS[metric])


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_a_line_search_misses_no_better_step(seed: int) -> None:
    given_ = problem(seed)
    start, direction = np.array([1.0, 0.2]), np.array([-0.3, 1.0])
    score, step = line_search(given_, start, direction)
    assert given_.score(start + step * direction) == pytest.approx(score)
    tried = max(given_.score(start + s * direction) for s in np.linspace(-30, 30, 601))
    assert score >= tried - 1e-9


@settings(max_examples=6)
@given(st.integers(0, 10_000))
def test_two_features_reach_the_best_of_a_grid(seed: int) -> None:
    """With two features only the angle matters, so a fine grid of angles is brute force."""
    given_ = problem(seed)
    weights, score, single = search_weights(given_, seed=1)
    assert given_.score(weights) == pytest.approx(score)
    angles = np.linspace(0, 2 * math.pi, 720, endpoint=False)
    grid = max(given_.score(np.array([math.cos(a), math.sin(a)])) for a in angles)
    assert score >= grid - 1e-9
    assert score >= single


REFERENCES = [["ein Hund läuft am Strand"], ["zwei Männer spielen Fußball"], ["eine Frau liest ein Buch"]]


def candidate(text: str, lm: float, score: float) -> Hypothesis:
    return make_hypothesis(text, score=score).model_copy(update={"features": {"lm": lm}})


NBESTS = [
    make_nbests([candidate("ein Hund geht", -2.0, -1.0), candidate("ein Hund läuft am Strand", -1.0, -1.5)]),
    make_nbests([candidate("zwei Männer", -3.0, -0.5), candidate("zwei Männer spielen Fußball", -2.5, -0.7)]),
    make_nbests([candidate("eine Frau liest ein Buch", -1.0, -1.0), candidate("Frau Buch", -0.9, -4.0)]),
]


def test_learned_coefficients_choose_what_was_claimed() -> None:
    config = SystemCombinationConfig(method="reranking", utility="bleu")
    tuned = mert(NBESTS, REFERENCES, config, "de")
    selected = config.model_copy(update={"coefficients": tuned.coefficients})
    texts = {str(n): rerank(nbests, selected, "de")[0].text for n, nbests in enumerate(NBESTS)}
    references = {str(n): refs for n, refs in enumerate(REFERENCES)}
    score = translation_scores(references, texts, language="de", n_total=3)["bleu"].value
    assert tuned.score == pytest.approx(score)
    assert score == pytest.approx(100.0)
    assert mert(NBESTS, REFERENCES, config, "de") == tuned


@pytest.mark.parametrize("utility", ["wer", "chrf"])
def test_the_other_metrics(utility: str) -> None:
    config = SystemCombinationConfig.model_validate({"method": "reranking", "utility": utility})
    assert mert(NBESTS, REFERENCES, config, "de").score == pytest.approx(0.0 if utility == "wer" else 100.0)


def test_the_objective_counts_under_the_normalizer_that_is_set() -> None:
    """Only the leaderboard's knows that 200 and two hundred are equal."""
    spoken = [make_nbests([candidate("two hundred dogs", -1.0, -1.0), candidate("cats", -2.0, -2.0)])]
    config = SystemCombinationConfig(method="reranking", utility="wer", normalizer="open-asr")
    assert mert(spoken, [["200 Dogs!"]], config, "en").score == pytest.approx(0.0)
    plain = config.model_copy(update={"normalizer": "basic"})
    assert mert(spoken, [["200 Dogs!"]], plain, "en").score == pytest.approx(-100.0)


def test_a_line_along_which_no_choice_changes_has_no_step() -> None:
    features = (np.array([[1.0, 0.0]]), np.array([[0.5, 2.0], [0.5, 2.0]]))  # one candidate; two alike
    statistics = tuple(rows for rows in (problem(0).statistics[0][:1], problem(0).statistics[1][:2]))
    single = RerankingProblem(features, statistics, METRICS["bleu"])
    start = np.array([1.0, 0.2])
    assert line_search(single, start, np.array([-0.3, 1.0])) == (single.score(start), 0.0)
