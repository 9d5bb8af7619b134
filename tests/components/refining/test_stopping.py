"""Every rule alone, rules together, and rules switched off."""

from __future__ import annotations

import pytest

from components.refining.config import RefineConfig
from components.refining.stopping import RULES, Trace, reason

MADE = Trace(("a", "b"), "a", estimate=0.4, seconds=2.9, feedback="wrong article")
APPLIES = {
    "critic": Trace(("a", "b"), "a", feedback=" No problems. "),
    "no_change": Trace(("a", "b", "b"), "b"),
    "cycle": Trace(("a", "b", "c", "b"), "c"),
    "quality": Trace(("a", "b"), "a", estimate=0.5),
    "seconds": Trace(("a", "b"), "a", seconds=3.0),
}


def settings(*rules: str) -> RefineConfig:
    return RefineConfig.model_validate({"stop_quality": 0.5, "stop_seconds": 3.0, "stop": rules})


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_the_reason_only_where_it_applies_and_is_asked_for(name: str) -> None:
    config = settings(name)
    assert {other: reason(trace, config) for other, trace in APPLIES.items()} == {
        other: name if other == name or (name, other) == ("cycle", "no_change") else None for other in APPLIES
    }
    assert reason(MADE, config) is None
    others = tuple(other for other in RULES if other != name)
    assert reason(APPLIES[name], settings(*others)) == ("cycle" if name == "no_change" else None)


def test_the_first_of_several_in_the_tables_order() -> None:
    everything = Trace(("a", "b", "a", "a"), "a", estimate=0.9, seconds=9.0, feedback="none")
    for count, name in enumerate(RULES):
        assert reason(everything, settings(*list(RULES)[count:][::-1])) == name
    assert reason(everything, settings()) is None


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_cycle_of_any_length(length: int) -> None:
    texts = tuple("abcde"[:length])
    assert reason(Trace((*texts, "x"), texts[-1]), RefineConfig()) is None
    assert reason(Trace((*texts, "a"), texts[-1]), RefineConfig()) == "cycle"


def test_budgets_that_are_not_set_stop_nothing() -> None:
    endless = Trace(("a", "b"), "a", estimate=1e9, seconds=1e9)
    assert reason(endless, RefineConfig()) is None
