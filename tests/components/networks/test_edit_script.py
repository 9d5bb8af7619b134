"""Edit scripts round-trip and are as short as can be."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from components.networks.edit_script import (
    DELETE,
    INSERT,
    KEEP,
    REPLACE,
    EditScript,
    shortest_edit_script,
    span_openings,
)
from tests.components.text.test_resegmentation import edit_distance

TEXTS = st.lists(st.integers(1, 5), max_size=9)


def apply(source: Sequence[int], edit: EditScript) -> tuple[int, ...]:
    """What a script makes of a sequence."""
    spans = iter(edit.spans)
    result: list[int] = []
    for token, tag in zip((None, *source), edit.tags, strict=True):
        if token is not None and tag in (KEEP, INSERT):
            result.append(token)
        if tag in (REPLACE, INSERT):
            result += next(spans)
    assert next(spans, None) is None
    return tuple(result)


@given(TEXTS, TEXTS)
def test_round_trip(source: list[int], target: list[int]) -> None:
    edit = shortest_edit_script(source, target)
    assert apply(source, edit) == tuple(target)
    assert edit.tags[0] in (KEEP, INSERT)
    removed = sum(tag in (REPLACE, DELETE) for tag in edit.tags)
    written = sum(map(len, edit.spans))
    assert max(removed, written) <= edit_distance(source, target) <= removed + written
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
