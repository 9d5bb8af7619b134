"""How the house is counted: who reaches whom, the members of ``Kind``, the table of before and now."""

from __future__ import annotations

import inspect

from benchmarks.house import counts
from benchmarks.house.__main__ import ROWS, count_house, format_table
from benchmarks.house.import_graph import reach
from components.nodes.kind import Kind


def test_reached_is_what_imports_lead_to_with_their_packages() -> None:
    assert reach(["components.errors"]) == {"components", "components.errors"}
    assert reach(["components.nodes.select"]) >= {"components.nodes", "components.nodes.kind", "components"}
    lines, files = counts.count_reached()
    assert files < lines < counts.count_reached(all_commands=True)[0]


def test_members_of_kind_are_those_of_the_class() -> None:
    attributes, methods, overrides = counts.count_kind()
    assert attributes == len(Kind.__annotations__)
    assert methods == len([name for name in vars(Kind) if inspect.isfunction(vars(Kind)[name])])
    assert overrides > methods


def test_numbers_stand_beside_those_of_before() -> None:
    numbers = count_house()
    assert numbers.keys() <= ROWS.keys()
    table = format_table({"words": 30_000, "rerun_ratio": 1.5}, {"words": 48_000})
    assert table.splitlines() == [
        "| | before | now | at most |",
        "|---|---|---|---|",
        "| README and docs without results, decisions and log, words | 48,000 | 30,000 | 35,000 |",
        "| unchanged rerun against imports, CPU |  | 1.50 | 2.00 |",
    ]
