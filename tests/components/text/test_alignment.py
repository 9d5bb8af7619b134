from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.text.matching.alignment import align, count_operations

short = st.lists(st.sampled_from("abc"), max_size=5)


def distance(a: list[str], b: list[str]) -> int:
    """The definition, without a table."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(short, short)
def test_no_cheaper_alignment_exists(a: list[str], b: list[str]) -> None:
    counts = count_operations(align(a, b))
    assert counts["substitute"] + counts["insert"] + counts["delete"] == distance(a, b)


@given(st.lists(st.text()), st.lists(st.text()))
def test_columns_read_back_as_both_sequences_and_are_labelled_truly(a: list[str], b: list[str]) -> None:
    edits = align(a, b)
    assert [e.reference for e in edits if e.operation != "insert"] == a
    assert [e.hypothesis for e in edits if e.operation != "delete"] == b
    for e in edits:
        assert (e.operation == "insert") == (e.reference is None)
        assert (e.operation == "delete") == (e.hypothesis is None)
        assert (e.operation == "equal") == (e.reference == e.hypothesis)


def test_tokens_with_equal_hashes_stay_apart() -> None:
    assert hash(-1) == hash(-2)
    assert [e.operation for e in align([-1], [-2])] == ["substitute"]


def test_long_sequences_are_aligned() -> None:
    words = [str(i % 97) for i in range(3000)]
    assert count_operations(align(words, [*words[1:], "x"]))["equal"] == 2999
