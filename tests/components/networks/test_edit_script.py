"""Edit scripts round-trip, are as short as can be, and are refused where they do not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.networks.edit_script import (
    DELETE,
    INSERT,
    KEEP,
    REPLACE,
    EditScript,
    apply_edit_script,
    shortest_edit_script,
    span_openings,
)

TEXTS = st.lists(st.integers(1, 5), max_size=9)


def distance(a: list[int], b: list[int]) -> int:
    """Wagner and Fischer's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@given(TEXTS, TEXTS)
def test_round_trip(source: list[int], target: list[int]) -> None:
    edit = shortest_edit_script(source, target)
    assert apply_edit_script(source, edit) == tuple(target)
    assert edit.tags[0] in (KEEP, INSERT)
    removed = sum(tag in (REPLACE, DELETE) for tag in edit.tags)
    written = sum(map(len, edit.spans))
    assert max(removed, written) <= distance(source, target) <= removed + written
    assert edit.edits == removed + written
    assert sum(span_openings(edit.tags)[1]) == len(edit.spans)


@given(TEXTS)
def test_nothing_to_do(text: list[int]) -> None:
    assert shortest_edit_script(text, text) == EditScript((KEEP,) * (len(text) + 1), ())


def test_by_hand() -> None:
    assert shortest_edit_script([1, 2, 3], [1, 9, 3]) == EditScript((KEEP, KEEP, REPLACE, KEEP), ((9,),))
    assert shortest_edit_script([], [7, 8]) == EditScript((INSERT,), ((7, 8),))
    assert shortest_edit_script([7, 8], []) == EditScript((KEEP, DELETE, DELETE), ())
    assert shortest_edit_script([1, 2], [1, 5, 2]) == EditScript((KEEP, INSERT, KEEP), ((5,),))
    assert span_openings((KEEP, REPLACE, REPLACE, KEEP, DELETE, INSERT)) == ((0, 3, 5), (True, False, True))


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (EditScript((KEEP,), ()), "expected 2 tags"),
        (EditScript((DELETE, KEEP), ()), "start"),
        (EditScript((KEEP, INSERT), ()), "expected a span"),
        (EditScript((KEEP, KEEP), ((1,),)), "found more"),
    ],
)
def test_refused(edit: EditScript, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        apply_edit_script([5], edit)
