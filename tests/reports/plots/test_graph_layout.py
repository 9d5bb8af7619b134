from __future__ import annotations

import random
from itertools import combinations

from reports.plots.graph_layout import compute_layout


def graphs() -> list[tuple[list[str], list[tuple[str, str]]]]:
    result = []
    for seed in range(30):
        dice = random.Random(seed)
        names = [f"n{number}" for number in range(dice.randint(1, 14))]
        result.append((names, [pair for pair in combinations(names, 2) if dice.random() < 0.3]))
    return result


def test_every_edge_leads_to_the_right_and_no_two_things_share_a_place() -> None:
    for names, edges in graphs():
        layout = compute_layout(names, edges)
        passed = [point for route in layout.routes.values() for point in route[1:-1]]
        taken = [*layout.positions.values(), *passed]
        for (x, y), (u, v) in combinations(taken, 2):
            assert x != u or abs(y - v) > 0.99
        for (above, below), route in layout.routes.items():
            assert (route[0], route[-1]) == (layout.positions[above], layout.positions[below])
            assert [x for x, _ in route] == [route[0][0] + n for n in range(len(route))]
        assert min(y for _, y in taken) == 0


def test_branches_stand_side_by_side_and_join_between_them() -> None:
    edges = [("data", "a"), ("data", "b"), ("a", "join"), ("b", "join")]
    places = compute_layout(["data", "a", "b", "join"], edges).positions
    assert places == {"data": (0, 0.5), "a": (1, 0), "b": (1, 1), "join": (2, 0.5)}


def test_a_route_and_what_goes_past_it_do_not_cross() -> None:
    names = ["data", "fast", "doubt", "good", "asr"]
    edges = [("data", "fast"), ("fast", "doubt"), ("doubt", "good"), ("data", "good")]
    edges += [("good", "asr"), ("fast", "asr")]
    layout = compute_layout(names, edges)
    around, past = dict(layout.routes["data", "good"]), dict(layout.routes["fast", "asr"])
    rows = {name: row for name, (_, row) in layout.positions.items()}
    assert (around[1] < rows["fast"]) == (around[2] < rows["doubt"]) == (around[2] < past[2])
    assert (rows["doubt"] < past[2]) == (rows["good"] < past[3])


def test_branches_that_would_cross_change_places() -> None:
    edges = [("a", "far"), ("b", "near")]
    places = compute_layout(["a", "b", "near", "far"], edges).positions
    assert places["far"][1] == places["a"][1]
    assert places["near"][1] == places["b"][1]
