"""What sampling cuts off, against transformers' own warpers, and the laws of the samples."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import EpsilonLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from components.decoding.config import SearchConfig
from components.decoding.searches.search import search
from components.decoding.tokens.token_draws import keep_likely
from tests.components.decoding.test_search import LENGTH, Table, ids


@settings(max_examples=60)
@given(
    seed=st.integers(0, 9999),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 8, 40]),
    top_p=st.sampled_from([0.05, 0.6, 0.9, 1.0]),
    epsilon=st.sampled_from([0.0, 0.02, 0.2, 0.9]),
)
def test_the_filtered_distribution_is_that_of_transformers(
    seed: int, temperature: float, top_k: int, top_p: float, epsilon: float
) -> None:
    logits = 2 * torch.randn(4, 20, generator=torch.Generator().manual_seed(seed))
    logits[0, :5] = -math.inf
    expected = TemperatureLogitsWarper(temperature)(None, logits)
    if top_k:
        expected = TopKLogitsWarper(top_k)(None, expected)
    if top_p < 1:
        expected = TopPLogitsWarper(top_p)(None, expected)
    if epsilon:
        expected = EpsilonLogitsWarper(epsilon)(None, expected)
    config = SearchConfig(temperature=temperature, top_k=top_k, top_p=top_p, epsilon=epsilon)
    kept = keep_likely((logits / temperature).softmax(-1), config)
    torch.testing.assert_close(kept / kept.sum(-1, keepdim=True), expected.softmax(-1))


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), top_k=st.integers(0, 4), epsilon=st.sampled_from([0.0, 0.1, 0.3]))
def test_nothing_is_drawn_that_was_cut_off(seed: int, top_k: int, epsilon: float) -> None:
    table = Table(2, 6, seed)
    config = SearchConfig(
        temperature=1.0, top_k=top_k, epsilon=epsilon, n_best=30, max_new_tokens=LENGTH, seed=seed
    )
    for row, candidates in enumerate(search([table], config)):
        for candidate in candidates:
            before = -1
            for position, token in enumerate(ids(candidate)):
                p = table.table[row, position, before].exp()
                rank = int((p > p[token]).sum())
                assert rank == 0 or not top_k or rank < top_k
                assert rank == 0 or not epsilon or _renormalized(p, top_k)[token] >= epsilon
                before = token


def _renormalized(p: torch.Tensor, top_k: int) -> torch.Tensor:
    if top_k:
        p = p.where(p >= p.topk(top_k).values[-1], 0)
    return p / p.sum()


def test_shares_of_samples_are_the_filtered_probabilities() -> None:
    table = Table(1, 5, seed=7)
    table.table[0, 0, -1] = torch.tensor([0.05, 0.45, 0.3, 0.15, 0.05]).log()
    config = SearchConfig(temperature=0.5, top_k=3, epsilon=0.2, n_best=2000, max_new_tokens=1)
    drawn = [ids(candidate)[0] for candidate in search([table], config)[0]]
    assert set(drawn) == {1, 2}
    assert drawn.count(1) / 2000 == pytest.approx(0.45**2 / (0.45**2 + 0.3**2), abs=0.04)


def test_samples_are_numbered_as_they_are_drawn_and_sorted_by_score() -> None:
    candidates = search([Table(1, 5)], SearchConfig(temperature=1.0, n_best=20, max_new_tokens=LENGTH))[0]
    scores = [candidate.normalized_score for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    assert sorted(candidate.draw for candidate in candidates) == list(range(20))
    assert len({ids(candidate) for candidate in candidates}) < 20  # equal ones are kept
    first = search([Table(1, 5)], SearchConfig(temperature=1.0, n_best=3, max_new_tokens=LENGTH))[0]
    by_draw = {candidate.draw: ids(candidate) for candidate in candidates}
    assert {candidate.draw: ids(candidate) for candidate in first} == {i: by_draw[i] for i in range(3)}
    assert all(c.draw is None for c in search([Table(1, 5)], SearchConfig())[0])
