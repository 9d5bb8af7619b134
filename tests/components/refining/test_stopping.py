"""Every rule alone, rules together, and rules switched off."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.refining.config import RefineConfig
from components.refining.judging.stopping import STOP_RULES, RefinementHistory, stop_reason

MADE = RefinementHistory(("a", "b"), "a", estimate=0.4, fitted=5.1, seconds=2.9, feedback="wrong article")
APPLIES = {
    "critic": RefinementHistory(("a", "b"), "a", feedback=" No problems. "),
    "no_change": RefinementHistory(("a", "b", "b"), "b"),
    "cycle": RefinementHistory(("a", "b", "c", "b"), "c"),
    "quality": RefinementHistory(("a", "b"), "a", estimate=0.5),
    "estimate": RefinementHistory(("a", "b"), "a", fitted=5.0),
    "seconds": RefinementHistory(("a", "b"), "a", seconds=3.0),
}


def settings(*rules: str) -> RefineConfig:
    limits = {"stop_quality": 0.5, "stop_seconds": 3.0, "estimate": "expected_wer", "stop_estimate": 5.0}
    return RefineConfig.model_validate({**limits, "stop": rules})


@pytest.mark.parametrize("name", STOP_RULES)
def test_a_rule_is_the_reason_only_where_it_applies_and_is_asked_for(name: str) -> None:
    config = settings(name)
    assert {other: stop_reason(trace, config) for other, trace in APPLIES.items()} == {
        other: name if other == name or (name, other) == ("cycle", "no_change") else None for other in APPLIES
    }
    assert stop_reason(MADE, config) is None
    others = tuple(other for other in STOP_RULES if other != name)
    assert stop_reason(APPLIES[name], settings(*others)) == ("cycle" if name == "no_change" else None)


def test_the_first_of_several_in_the_tables_order() -> None:
    everything = RefinementHistory(
        ("a", "b", "a", "a"), "a", estimate=0.9, fitted=0.0, seconds=9.0, feedback="none"
    )
    for count, name in enumerate(STOP_RULES):
        assert stop_reason(everything, settings(*list(STOP_RULES)[count:][::-1])) == name
    assert stop_reason(everything, settings()) is None


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_cycle_of_any_length(length: int) -> None:
    texts = tuple("abcde"[:length])
    assert stop_reason(RefinementHistory((*texts, "x"), texts[-1]), RefineConfig()) is None
    assert stop_reason(RefinementHistory((*texts, "a"), texts[-1]), RefineConfig()) == "cycle"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"gate": "fluency", "stop_quality": 0.5}, "stop_quality: expected at most 0, as gate fluency is"),
        ({"stop_quality": 101}, "stop_quality: expected 0 to 100, as gate round_trip is, found 101"),
        ({"estimate": "p_bad", "stop_estimate": 5}, "stop_estimate: expected 0 to 1, as p_bad is, found 5"),
        ({"estimate": "expected_wer", "stop_estimate": -1}, "expected at least 0, as expected_wer is"),
    ],
)
def test_a_threshold_outside_of_what_an_estimate_can_be_is_refused(
    limits: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        RefineConfig.model_validate(limits)


def test_budgets_that_are_not_set_stop_nothing() -> None:
    endless = RefinementHistory(("a", "b"), "a", estimate=1e9, fitted=1.0, seconds=1e9)
    assert stop_reason(endless, RefineConfig()) is None
