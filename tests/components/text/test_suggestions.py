"""The nearest right word, and pydantic's faults in the house's words."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from components.text.suggestions import did_you_mean, suggest
from components.text.validation_faults import describe_value_fault


def test_the_nearest_option_or_what_there_is() -> None:
    assert did_you_mean("Cascad", ["cascade", "compare"]) == "; did you mean cascade?"
    assert did_you_mean("tyni", ["base", "tiny"]) == "; did you mean tiny?"
    assert not did_you_mean("x", ["cascade"])
    assert not did_you_mean("nope", ["entropies"])
    assert suggest("x", ["b", "a"]) == "; known: b, a"
    assert suggest("x", map(str, range(30))).endswith("11, and 18 more")
    assert not suggest("x", [])


class Settings(BaseModel):
    count: int = Field(1, ge=1, le=9)
    width: int = Field(4, multiple_of=4)
    kind: Literal["threads", "dask", "ray"] = "threads"
    rate: float = 0.5
    is_on: bool = False
    words: tuple[str, ...] = ()

    @field_validator("words")
    @classmethod
    def _check(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "bad" in value:
            raise ValueError("expected good words, found bad")
        return value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "expected at least 1, found 0"),
        ({"count": 10}, "expected at most 9, found 10"),
        ({"count": "three"}, "expected a whole number, found 'three'"),
        ({"width": 6}, "expected a multiple of 4, found 6"),
        ({"count": 1.5}, "expected a whole number, found 1.5"),
        ({"kind": "dusk"}, "expected threads, dask or ray, found 'dusk'; did you mean dask?"),
        ({"rate": "fast"}, "expected a number, found 'fast'"),
        ({"is_on": "perhaps"}, "expected true or false, found 'perhaps'"),
        ({"words": "one"}, "expected a list, such as [a, b], found 'one'"),
        ({"words": ["bad"]}, "expected good words, found bad"),
    ],
)
def test_a_wrong_value_is_expected_and_found_on_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(values)
    (fault,) = raised.value.errors()
    assert describe_value_fault(dict(fault)) == message
