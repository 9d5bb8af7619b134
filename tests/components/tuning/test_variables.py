from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import ConfigError
from components.tuning.domains import Range, Simplex
from components.tuning.search import draw_settings
from components.tuning.variables import SearchSpace, read_variable

NODES = {
    "de": {"kind": "translate", "beam_size": 4},
    "soup": {"kind": "merge", "recipe": {"models": [{"parameters": {"weight": 1}}, {"parameters": {}}]}},
}


@pytest.mark.parametrize("n", [2, 4])
def test_weights_of_a_simplex_are_drawn_as_dirichlet_draws_them(n: int) -> None:
    rng = np.random.default_rng(1)
    drawn = np.array([Simplex(n).value(rng.random(n - 1)) for _ in range(5_000)])
    known = rng.dirichlet(np.ones(n), 5_000)
    assert np.allclose(drawn.mean(0), known.mean(0), atol=0.02)
    assert np.allclose(np.cov(drawn.T), np.cov(known.T), atol=0.006)


@given(st.integers(2, 8).flatmap(lambda n: st.lists(st.floats(0, 1), min_size=n - 1, max_size=n - 1)))
@settings(max_examples=100)
def test_weights_of_a_simplex_are_not_negative_and_add_up_to_one(coordinates: list[float]) -> None:
    weights = Simplex(len(coordinates) + 1).value(coordinates)
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize(
    ("written", "size", "probes"),
    [
        ([1, 4, 8], 3, [1, 4, 8]),
        ("boolean", 2, [False, True]),
        ({"from": 1, "to": 8}, 8, [1, 8]),
        ({"from": 1, "to": 8, "step": 3}, 3, [1, 8]),
        ({"from": 0.0, "to": 1.0, "step": 0.25}, 5, [0.0, 1.0]),
        ({"from": 1e-4, "to": 1.0, "log": True}, None, [1e-4, 1.0]),
        ("simplex(3)", None, [[0.333, 0.333, pytest.approx(0.334)]]),
    ],
)
def test_what_a_file_may_say_of_a_setting(written: Any, size: int | None, probes: list[Any]) -> None:
    domain = read_variable("de.beam_size", written, NODES).domain
    assert (domain.size, domain.probes()) == (size, probes)


@pytest.mark.parametrize(
    ("key", "written", "message"),
    [
        ("dee.beam_size", [1, 2], "there is no node 'dee'; did you mean de?"),
        ("de", [1, 2], "expected de.SETTING"),
        ("de.beam_size", [1], "two or more values"),
        ("de.beam_size", [1, 1], "each value once"),
        ("de.beam_size", 4, "expected a list of values"),
        ("de.beam_size", "simplex(1)", "2 to 32 weights"),
        ("de.beam_size", {"from": 2, "to": 1}, "from < to"),
        ("de.beam_size", {"from": 1, "till": 2}, "till: a range has no such key"),
        ("de.beam_size", {"from": 0, "to": 1, "log": True}, "above 0 without step"),
        ("de.beam_size", {"from": True, "to": 2}, "with two numbers"),
        (
            "soup.recipe.models.*.parameters.weight",
            "simplex(3)",
            r"expected simplex\(2\), one weight for each",
        ),
        ("soup.recipe.models.*.parameters.weight", [1, 2], r"simplex\(N\) for its '\*'"),
        ("soup.recipe.models.7.parameters.weight", [1, 2], "expected 0 to 1"),
        ("de.beam_size.inner", [1, 2], "expected settings in de.beam_size"),
    ],
)
def test_what_is_no_variable_is_refused_in_one_line(key: str, written: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        read_variable(key, written, NODES)
    assert "\n" not in str(error.value)


def test_settings_are_put_in_their_places_and_the_file_stays_as_it_is() -> None:
    written = {
        "de.combine.strength": [0.5, 1.0],
        "nodes.soup.recipe.models.*.parameters.weight": "simplex(2)",
    }
    space = SearchSpace({key: read_variable(key, of, NODES) for key, of in written.items()})
    weights = "nodes.soup.recipe.models.*.parameters.weight"
    nodes = space.apply({"nodes": NODES}, {"de.combine.strength": 0.5, weights: [0.25, 0.75]})["nodes"]
    assert nodes["de"] == {"kind": "translate", "beam_size": 4, "combine": {"strength": 0.5}}
    assert [model["parameters"] for model in nodes["soup"]["recipe"]["models"]] == [
        {"weight": 0.25},
        {"weight": 0.75},
    ]
    assert NODES["soup"]["recipe"] == {"models": [{"parameters": {"weight": 1}}, {"parameters": {}}]}
    assert space.size is None


def test_numbers_of_a_range_stay_in_it() -> None:
    assert Range(0.12345, 0.99999).value([0.99999]) == 0.99999
    assert Range(0.2, 0.8, 0.2).value([0.2 + 2 * 0.2]) == 0.6
    assert Range(1, 9).value([4]) == 4


def test_a_small_space_is_listed_whole_and_of_a_large_one_different_settings_are_drawn() -> None:
    def space(**written: Any) -> SearchSpace:
        keys = {name.replace("__", "."): values for name, values in written.items()}
        return SearchSpace({key: read_variable(key, values, NODES) for key, values in keys.items()})

    small = space(de__beam_size=[1, 4], de__length_penalty={"from": 0.1, "to": 0.3, "step": 0.1})
    pairs = [(1, 0.1), (1, 0.2), (1, 0.3), (4, 0.1), (4, 0.2), (4, 0.3)]
    assert [tuple(point.values()) for point in draw_settings(small, 6, 0)] == pairs
    drawn = draw_settings(small, 5, 0)
    assert len({tuple(point.values()) for point in drawn} & set(pairs)) == 5
    assert drawn == draw_settings(small, 5, 0)
    narrow = space(de__length_penalty={"from": 0.1, "to": 0.10001})  # a draw has four digits
    assert 1 <= len(draw_settings(narrow, 50, 0)) <= 3
    continuum = draw_settings(space(de__length_penalty={"from": 0.5, "to": 2.0}), 20, 1)
    values = [point["de.length_penalty"] for point in continuum]
    assert len(set(values)) == 20
    assert 0.5 <= min(values) < max(values) <= 2.0
