from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ensembling.output_level.candidates import collect_candidates
from components.ensembling.output_level.weighted_hypotheses import posterior_weights
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

scores = st.lists(st.floats(-1e6, 0), min_size=1, max_size=4)


@given(st.lists(scores, min_size=1, max_size=3), st.floats(0, 10))
def test_shares_sum_to_one_whatever_the_scores(lists: list[list[float]], scale: float) -> None:
    nbests = make_nbests(*[[make_hypothesis("a", score=score) for score in row] for row in lists])
    rows = posterior_weights(nbests, 4, scale)
    assert math.fsum(row.weight for row in rows) == pytest.approx(1.0)
    for offer in nbests:
        own = math.fsum(row.weight for row in rows if row.system == offer.system)
        assert own == pytest.approx(1 / len(lists))


def test_shares_are_posteriors_within_a_list() -> None:
    pair = [make_hypothesis("x", score=math.log(0.3)), make_hypothesis("y", score=math.log(0.1))]
    rows = posterior_weights(
        make_nbests(pair, make_hypothesis("z", score=-900.0), weights=(1.0, 3.0)), 2, 1.0
    )
    assert [row.weight for row in rows] == pytest.approx([0.25 * 0.75, 0.25 * 0.25, 0.75])
    rows = posterior_weights(make_nbests(pair), 2, 2.0)
    assert [row.weight for row in rows] == pytest.approx([0.9, 0.1])
    assert [row.weight for row in posterior_weights(make_nbests(pair), 1, 1.0)] == [1.0]


def test_equal_texts_are_one_candidate_with_the_votes_of_both() -> None:
    candidate_set = collect_candidates(
        make_nbests(
            [make_hypothesis("x"), make_hypothesis("y")],
            [make_hypothesis("y"), make_hypothesis("z"), make_hypothesis("y")],
        ),
        5,
        0.0,
    )
    assert candidate_set.systems == ("a", "b")
    assert candidate_set.texts == ["x", "y", "z"]
    assert candidate_set.vote_shares.tolist() == [
        pytest.approx([0.25, 0.25, 0]),
        pytest.approx([0, 1 / 3, 1 / 6]),
    ]
