from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ensembling.contribution import (
    Coalition,
    Game,
    coalitions,
    contributions,
    leave_one_out,
    mixture_game,
    shapley,
)
from components.errors import ConfigError, DataError

NAMES = "abcdef"
games = st.integers(1, 4).flatmap(
    lambda n: st.tuples(st.just(NAMES[:n]), st.lists(st.floats(-9, 9), min_size=2**n, max_size=2**n))
)


def table(names: str, values: list[float]) -> dict[Coalition, float]:
    return dict(zip(coalitions(names), values, strict=True))


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
    assert shapley(names, value.__getitem__) == pytest.approx(expected, abs=1e-9)


@given(games)
def test_efficiency(game: tuple[str, list[float]]) -> None:
    names, values = game
    assert math.fsum(shapley(names, table(names, values).__getitem__).values()) == pytest.approx(
        values[-1] - values[0], abs=1e-9
    )


def test_null_player_and_copies_by_hand() -> None:
    """a and b are the same member, c is worth nothing: leave-one-out sees nobody, Shapley shares."""

    def value(coalition: Coalition) -> float:
        return 1.0 if coalition & {"a", "b"} else 0.0

    assert leave_one_out("abc", value) == {"a": 0.0, "b": 0.0, "c": 0.0}
    assert shapley("abc", value) == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0})
    glove = {"a": 1 / 6, "b": 1 / 6, "c": 2 / 3}  # the glove game: c needs a or b
    assert shapley("abc", lambda s: float("c" in s and len(s) > 1)) == pytest.approx(glove)


def likelihoods(seed: int = 0) -> dict[str, list[list[float]]]:
    rng = np.random.default_rng(seed)
    rows = {name: [(-rng.exponential(2.0, size=n)).tolist() for n in (3, 1, 5, 4)] for name in "abc"}
    return {**rows, "copy of a": rows["a"]}


def test_the_mixture_game_is_the_plain_loop() -> None:
    log_probs = likelihoods()
    weights = {"a": 0.5, "b": 0.2, "c": 0.0, "copy of a": 0.3}
    game = mixture_game(log_probs, vocabulary=50, weights=weights)
    for coalition in coalitions(tuple(log_probs)):
        total = sum(weights[name] for name in coalition)
        share = {n: weights[n] / total if total else 1 / len(coalition) for n in coalition}
        mean = np.mean(
            [
                math.log(
                    sum(share[n] * math.exp(log_probs[n][u][t]) for n in coalition) if coalition else 1 / 50
                )
                for u, length in enumerate((3, 1, 5, 4))
                for t in range(length)
            ]
        )
        assert game(coalition) == pytest.approx(mean)


def test_symmetry_and_efficiency_of_likelihoods() -> None:
    game = mixture_game(likelihoods(), vocabulary=50)
    values = shapley(game.members, game)
    assert values["a"] == pytest.approx(values["copy of a"])
    assert sum(values.values()) == pytest.approx(game(frozenset(game.members)) + math.log(50))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_the_table(seed: int) -> None:
    game = mixture_game(likelihoods(seed), vocabulary=50)
    rows = contributions(game, dict.fromkeys(game.members, 0.25))
    values, left = shapley(game.members, game), leave_one_out(game.members, game)
    for row in rows:
        assert row.shapley == pytest.approx(values[row.member])
        assert row.leave_one_out == pytest.approx(left[row.member])
        assert row.alone == pytest.approx(game(frozenset({row.member})))
        assert row.shapley_interval[0] <= row.shapley <= row.shapley_interval[1]
        assert row.leave_one_out_interval[0] <= row.leave_one_out <= row.leave_one_out_interval[1]
        assert row.coefficient == 0.25


def test_an_interval_without_spread_is_a_point_and_one_with_spread_is_not() -> None:
    gains = np.array([[0.0] * 4, [1.0] * 4])
    [row] = contributions(Game(("a",), gains, np.ones(4)))
    assert row.shapley_interval == (1.0, 1.0)
    gains = np.array([[0.0] * 4, [0.0, 1.0, 2.0, 3.0]])
    [row] = contributions(Game(("a",), gains, np.ones(4)))
    assert row.shapley == 1.5
    assert 0 <= row.shapley_interval[0] < 1.0 < 2.0 < row.shapley_interval[1] <= 3


def test_errors() -> None:
    for names in ["", "abcdefg", "aa"]:
        with pytest.raises(ConfigError, match="expected 1 to 6 different names"):
            shapley(list(names), lambda s: 0.0)
    with pytest.raises(DataError, match="the same tokens"):
        mixture_game({"a": [[-1.0]], "b": [[-1.0, -2.0]]}, 10)
    with pytest.raises(DataError, match="finite"):
        mixture_game({"a": [[-math.inf]]}, 10)
