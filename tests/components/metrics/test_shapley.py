from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.token_level.learning import fitting
from components.ensembling.token_level.learning.coefficients import fit_constants
from components.errors import ConfigError, DataError
from components.metrics.statistics.shapley import (
    Coalition,
    CoalitionGame,
    all_coalitions,
    estimate_contributions,
    mixture_likelihood_game,
    shapley_values,
)
from tests.components.ensembling.token_level.learning.test_coefficients import development

NAMES = "abcdef"
LENGTHS = (3, 1, 5, 4, 2, 2, 1, 6, 3, 3)
games = st.integers(1, 4).flatmap(
    lambda n: st.tuples(st.just(NAMES[:n]), st.lists(st.floats(-9, 9), min_size=2**n, max_size=2**n))
)


def leave_one_out_values(members: str, value: Callable[[Coalition], float]) -> dict[str, float]:
    """The definition: v(everyone) - v(everyone else)."""
    everyone = frozenset(members)
    full_value = value(everyone)
    return {member: full_value - value(everyone - {member}) for member in members}


def table(names: str, values: list[float]) -> dict[Coalition, float]:
    return dict(zip(all_coalitions(names), values, strict=True))


@given(games)
def test_it_is_the_mean_over_all_orders_of_joining(game: tuple[str, list[float]]) -> None:
    names, values = game
    value = table(names, values)
    gained = dict.fromkeys(names, 0.0)
    for order in permutations(names):
        here: Coalition = frozenset()
        for name in order:
            gained[name] += value[here | {name}] - value[here]
            here |= {name}
    expected = {name: total / math.factorial(len(names)) for name, total in gained.items()}
    assert shapley_values(names, value.__getitem__) == pytest.approx(expected, abs=1e-9)


def likelihoods(seed: int = 0) -> dict[str, list[list[float]]]:
    rng = np.random.default_rng(seed)
    rows = {name: [(-rng.exponential(2.0, size=n)).tolist() for n in LENGTHS] for name in "abc"}
    return {**rows, "copy of a": rows["a"]}


def test_the_mixture_game_is_the_plain_loop() -> None:
    log_probs = likelihoods()
    weights = {"a": 0.5, "b": 0.2, "c": 0.0, "copy of a": 0.3}
    game = mixture_likelihood_game(log_probs, vocabulary=50, weights=weights)
    for coalition in all_coalitions(tuple(log_probs)):
        total = sum(weights[name] for name in coalition)
        share = {n: weights[n] / total for n in coalition} if total else {}
        mean = np.mean(
            [
                math.log(sum(share[n] * math.exp(log_probs[n][u][t]) for n in share) if share else 1 / 50)
                for u, length in enumerate(LENGTHS)
                for t in range(length)
            ]
        )
        assert game(coalition) == pytest.approx(mean)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_the_table(seed: int) -> None:
    game = mixture_likelihood_game(likelihoods(seed), vocabulary=50)
    rows = estimate_contributions(game, dict.fromkeys(game.members, 0.25))
    values, left = shapley_values(game.members, game), leave_one_out_values(game.members, game)
    for row in rows:
        assert row.shapley == pytest.approx(values[row.member])
        assert row.leave_one_out == pytest.approx(left[row.member])
        assert row.alone == pytest.approx(game(frozenset({row.member})))
        for interval, value in (
            (row.shapley_interval, row.shapley),
            (row.leave_one_out_interval, row.leave_one_out),
        ):
            assert interval[0] <= value <= interval[1]
        assert row.coefficient == 0.25


@pytest.mark.parametrize("seed", range(3))
def test_a_member_can_lower_a_mixture_by_its_weight_at_most(seed: int) -> None:
    """-log(1 - w): what is left gets its share. A page once printed -0.07 nats for a weight of 0.02."""
    statistics = development(seed=seed)
    learned = fit_constants(statistics, "linear")
    parts = fitting.held_out_contributions(statistics, learned, 12)
    assert [part.coefficient for part in parts] == list(learned.weights)
    lost, sizes, folds = 0.0, 0.0, 0
    for game, weights in fitting.held_out_games(statistics, 12):
        folds += 1
        for row, weight in enumerate(weights.values()):
            without = all_coalitions(game.members).index(frozenset(game.members) - {game.members[row]})
            of_each = (game.gains[-1] - game.gains[without]) / game.sizes  # the law holds for each sentence
            assert (of_each >= math.log1p(-weight) - 1e-12).all()
        lost += (game.gains[-1] - game.gains[without]).sum()
        sizes += game.sizes.sum()
    assert folds == 5
    assert parts[-1].leave_one_out == pytest.approx(lost / sizes)
    output = {"a": [[-1.0, -9.0], [-2.0]], "b": [[-7.0, -0.1], [-8.0]]}
    game = mixture_likelihood_game(output, 12, {"a": 0.98, "b": 0.02})
    lost = (game.gains[-1] - game.gains[1]) / game.sizes  # of each sentence, without b
    assert (lost >= math.log1p(-0.02)).all()
    assert lost.min() < 0.99 * math.log1p(-0.02)


def test_a_member_of_no_weight_contributes_exactly_nothing() -> None:
    statistics = development(members=2)
    log_probs = {
        name: [values[statistics.sentences == n].tolist() for n in range(statistics.n_sentences)]
        for name, values in zip("ab", statistics.token_log_probs, strict=True)
    }
    game = mixture_likelihood_game(log_probs, 12, {"a": 1.0, "b": 0.0})
    first, second = estimate_contributions(game)
    assert (second.leave_one_out, second.shapley) == (0.0, 0.0)
    assert second.leave_one_out_interval == (0.0, 0.0)
    assert second.shapley_interval == pytest.approx((0.0, 0.0), abs=1e-12)
    assert first.shapley == pytest.approx(first.alone + math.log(12))


def test_an_interval_without_spread_is_a_point_and_one_with_spread_is_not() -> None:
    gains = np.array([[0.0] * 12, [1.0] * 12])
    [row] = estimate_contributions(CoalitionGame(("a",), gains, np.ones(12)))
    assert row.shapley_interval == (1.0, 1.0)
    gains = np.array([[0.0] * 12, [0.0, 1.0, 2.0, 3.0] * 3])
    [row] = estimate_contributions(CoalitionGame(("a",), gains, np.ones(12)))
    assert row.shapley == 1.5
    assert 0 <= row.shapley_interval[0] < 1.0 < 2.0 < row.shapley_interval[1] <= 3
    [row] = estimate_contributions(CoalitionGame(("a",), gains[:, :9], np.ones(9)))
    assert (row.shapley_interval, row.leave_one_out_interval) == (None, None)


def test_errors() -> None:
    for names in ["", "abcdefg", "aa"]:
        with pytest.raises(ConfigError, match="expected 1 to 6 different names"):
            shapley_values(list(names), lambda s: 0.0)
    with pytest.raises(DataError, match="the same tokens"):
        mixture_likelihood_game({"a": [[-1.0]], "b": [[-1.0, -2.0]]}, 10)
    with pytest.raises(DataError, match="finite"):
        mixture_likelihood_game({"a": [[-math.inf]]}, 10)
