"""What the search keeps of the distributions, against a plain softmax over the tables of the members."""

from __future__ import annotations

import math
from itertools import chain

import pytest
import torch

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.constraints.token_constraints import force_at, suppress
from components.decoding.mixing.token_records import MAX_MARGIN
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from tests.components.decoding.test_search import LENGTH, Table, ids

SEARCHES = [
    SearchConfig(beam_size=1, max_new_tokens=LENGTH, entropies=True),
    SearchConfig(beam_size=3, n_best=3, max_new_tokens=LENGTH, entropies=True),
    SearchConfig(temperature=2.0, n_best=4, max_new_tokens=LENGTH, entropies=True),
]


def plain_statistics(
    tables: list[Table], row: int, candidate: Candidate, forbidden: list[int]
) -> list[tuple[float, float]]:
    """Entropy and margin at every position of the mean of the tables' probabilities without ``forbidden``."""
    values, before = [], -1
    for position, token in enumerate(ids(candidate)):
        p = sum(table.table[row, position, before].double().exp() for table in tables)
        p[forbidden] = 0
        p = sorted((p / p.sum()).tolist(), reverse=True)
        entropy = -sum(x * math.log(x) for x in p if x > 0)
        values.append((entropy, math.log(p[0]) - math.log(p[1])))
        before = token
    return values


@pytest.mark.parametrize("config", SEARCHES)
@pytest.mark.parametrize("n_members", [1, 2])
def test_statistics_are_those_of_a_softmax(config: SearchConfig, n_members: int) -> None:
    tables = [Table(3, 6, seed) for seed in range(n_members)]
    combiner = LinearInterpolation([0.5, 0.5]) if n_members == 2 else None
    results = search(tables, config, logits_processors=[suppress([4])], combiner=combiner)
    for row, candidates in enumerate(results):
        for candidate in candidates:
            expected = plain_statistics(tables, row, candidate, [4])
            assert list(candidate.entropies) == pytest.approx([entropy for entropy, _ in expected], abs=1e-5)
            assert list(candidate.margins) == pytest.approx([margin for _, margin in expected], abs=1e-5)
            assert len(candidate.entropies) == len(candidate.log_probs)


@pytest.mark.parametrize("config", SEARCHES)
def test_statistics_of_a_batch_are_those_of_its_utterances_alone(config: SearchConfig) -> None:
    table = Table(4, 6, seed=3)
    together = search([table], config)
    assert together == [search([table.only(row)], config)[0] for row in range(4)]


@pytest.mark.parametrize("beam", [1, 3])
def test_statistics_change_nothing_else_and_are_not_kept_unless_asked_for(beam: int) -> None:
    table, tables = Table(3, 6), [Table(3, 6, seed) for seed in (1, 2)]
    for scorers, combiner in (([table], None), (tables, LinearInterpolation([0.5, 0.5]))):
        plain, kept = (
            search(
                scorers,
                SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH, entropies=keeps),
                combiner=combiner,
            )
            for keeps in (False, True)
        )
        for before, after in zip(chain(*plain), chain(*kept), strict=True):
            assert (before.entropies, before.margins) == ((), ())
            assert before.log_probs == after.log_probs
            assert before.member_log_probs == after.member_log_probs


def test_a_forced_token_has_no_entropy_and_the_largest_margin() -> None:
    force: list[LogitsProcessor] = [force_at(0, 2)]
    for config in SEARCHES:
        for candidate in search([Table(1, 6)], config, logits_processors=force)[0]:
            assert (candidate.entropies[0], candidate.margins[0]) == (0, MAX_MARGIN)


def test_the_distribution_is_the_models_own_whatever_the_temperature() -> None:
    table = Table(1, 6)
    hot, cold = (
        search([table], SearchConfig(temperature=t, n_best=1, max_new_tokens=1, entropies=True))[0][0]
        for t in (3.0, 0.5)
    )
    assert hot.entropies == cold.entropies
    assert torch.distributions.Categorical(logits=table.table[0, 0, -1]).entropy().item() == pytest.approx(
        hot.entropies[0], abs=1e-5
    )
