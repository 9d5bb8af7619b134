"""The correlation of two properties of pairs of models."""

from __future__ import annotations

import numpy as np

from benchmarks.claims.pair_correlation import Table, correlate_pairs


def draw_tables(shared: float, noise: float, seed: int, models: int = 10) -> tuple[Table, Table]:
    """Two symmetric tables of sums of two models' values, ``shared`` between both, and noise of each pair."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=models)
    tables = []
    for _ in range(2):
        own = shared * common + (1 - shared) * rng.normal(size=models)
        pairs = noise * rng.normal(size=(models, models))
        tables.append(own[:, None] + own + pairs + pairs.T)
    return tables[0], tables[1]


def test_r_is_pearsons_over_the_pairs() -> None:
    first, second = draw_tables(0.8, 0.3, seed=1)
    pairs = np.triu_indices(10, 1)
    result = correlate_pairs([(first, second)], "pairs", resamples=200)
    assert np.isclose(result.difference, np.corrcoef(first[pairs], second[pairs])[0, 1])
    assert result.p < 0.05
    assert 0 < result.interval[0] < result.difference < result.interval[1]


def test_models_that_differ_do_not_look_like_a_correlation() -> None:
    """Values of models make pairs alike: a test of independent pairs would reject far too often."""
    p_values = [
        correlate_pairs([draw_tables(0.0, 0.1, seed)], "pairs", resamples=99).p for seed in range(100)
    ]
    assert np.mean(np.array(p_values) <= 0.1) < 0.2
