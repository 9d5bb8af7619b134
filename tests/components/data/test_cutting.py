"""Laws of content-defined cuts: what a change of rows touches, how long shards are, what stays together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.data.cutting import GREATEST, LEAST, Cut, cut_shards, make_cut


class Row(NamedTuple):
    """A row of a data set, as far as it is cut."""

    name: int
    cut: Cut


Shards = list[tuple[Row, ...]]


def cut(rows: Sequence[Row]) -> Shards:
    return [tuple(shard) for shard in cut_shards(rows)]


def length_of(shard: Sequence[Row]) -> float:
    return sum(row.cut.length for row in shard)


DIGESTS = st.floats(0, 1, exclude_max=True)
LENGTHS = st.sampled_from([0.001, 0.01, 0.1, 0.2, 0.3, 0.36, 0.38, 0.5, 0.9])
CUTS = st.builds(Cut, DIGESTS, LENGTHS, st.none())
"""Of rows that are no documents and no long recordings; any digests, as no text might give them."""


def rows_of(cuts: Sequence[Cut], first: int = 0) -> list[Row]:
    return [Row(number, each) for number, each in enumerate(cuts, first)]


def has_forced_end(shards: Shards) -> bool:
    """Whether the length alone may have ended one of the shards."""
    return any(length_of(shard) >= GREATEST for shard in shards)


@given(st.lists(CUTS, max_size=60), st.integers(0, 60), st.lists(CUTS, max_size=1), st.integers(0, 1))
@example([Cut(0.9, 0.3), Cut(0.0, 0.36), Cut(0.0, 0.36), Cut(0.9, 0.3)], 1, [], 1)
def test_a_row_that_comes_goes_or_changes_touches_its_shard_and_at_most_one_neighbour(
    cuts: list[Cut], position: int, added: list[Cut], removed: int
) -> None:
    before = rows_of(cuts)
    position = min(position, len(before))
    after = [*before[:position], *rows_of(added, 1000), *before[position + removed :]]
    old, new = cut(before), cut(after)
    if has_forced_end(old) or has_forced_end(new):
        return  # what then holds is the next law
    assert len(set(old) - set(new)) <= 2
    assert len(set(new) - set(old)) <= 2


@given(st.lists(CUTS, max_size=60), st.integers(0, 60), CUTS)
def test_what_precedes_a_change_and_what_follows_the_next_end_by_content_stays(
    cuts: list[Cut], position: int, added: Cut
) -> None:
    """Also where ends were forced by the length: they count from the end before, so they may move."""
    before = rows_of(cuts)
    position = min(position, len(before))
    after = [*before[:position], *rows_of([added], 1000), *before[position:]]
    old, new = cut(before), cut(after)
    untouched = [shard for shard in old if shard[-1].name < position - 1]
    assert new[: len(untouched)] == untouched
    ends = {shard[-1].name for shard in old} & {shard[-1].name for shard in new}
    following = [end for end in ends if end >= position]
    if following:
        assert [s for s in old if s[0].name > min(following)] == [
            s for s in new if 1000 > s[0].name > min(following)
        ]


@given(st.lists(CUTS, min_size=1, max_size=60))
def test_no_shard_is_shorter_than_the_least_but_the_last_and_none_is_longer_than_the_greatest(
    cuts: list[Cut],
) -> None:
    shards = cut(rows_of(cuts))
    assert [row for shard in shards for row in shard] == rows_of(cuts)
    assert all(length_of(shard) > LEAST for shard in shards[:-1])
    assert all(length_of(shard[:-1]) < GREATEST for shard in shards)


@pytest.mark.parametrize("length", [0.001, 0.02, 0.1, 0.19, 0.25, 0.3, 0.36, 0.369, 0.38, 0.6, 0.99])
def test_shards_have_the_usual_length_on_average_however_long_rows_are(length: float) -> None:
    """Also just below the least length, where every row ends a shard or none does if one is careless."""
    random = Random(7)
    rows = rows_of([Cut(random.random(), length) for _ in range(int(min(600 / length, 60_000)))])
    lengths = [length_of(shard) for shard in cut(rows)]
    assert 0.55 < sum(lengths) / len(lengths) < 1.65
    assert sum(each >= GREATEST for each in lengths) <= 0.05 * len(lengths)


def test_a_long_recording_is_a_shard_and_touches_its_neighbours_when_it_comes() -> None:
    random = Random(3)
    before = rows_of([Cut(random.random(), 0.02) for _ in range(500)])
    for length in (1.0, 6.0):
        long = Row(1000, Cut(random.random(), length))
        old, new = cut(before), cut([*before[:250], long, *before[250:]])
        assert (long,) in new
        assert len(set(old) - set(new)) <= 2
        assert len(set(new) - set(old)) <= 4


@given(st.lists(st.tuples(CUTS, st.sampled_from("ab-")), max_size=60))
def test_documents_are_not_divided(parts: list[tuple[Cut, str]]) -> None:
    cuts = [each._replace(document=None if label == "-" else label) for each, label in parts]
    shards = cut(rows_of(cuts))
    for shard, following in pairwise(shards):
        last, first = shard[-1].cut.document, following[0].cut.document
        assert last is None or last != first
    assert [row.cut for shard in shards for row in shard] == cuts


@given(st.lists(st.integers(1, 6), min_size=2, max_size=20), st.integers(0, 18), st.randoms())
def test_a_document_that_grows_touches_its_shard_and_at_most_one_neighbour(
    sizes: list[int], which: int, random: Random
) -> None:
    """A document counts as one row does."""
    names = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    cuts = [Cut(random.random(), random.choice([0.02, 0.1]), name) for name in names]
    before = rows_of(cuts)
    position = sum(sizes[: which % len(sizes) + 1])
    more = Row(1000, Cut(random.random(), 0.1, before[position - 1].cut.document))
    old, new = cut(before), cut([*before[:position], more, *before[position:]])
    if not has_forced_end(old) and not has_forced_end(new):
        assert len(set(old) - set(new)) <= 2
        assert len(set(new) - set(old)) <= 2


def test_data_sets_that_share_rows_share_shards() -> None:
    """Whatever surrounds these: all but the shards at the seams."""
    random = Random(5)

    def part(first: int, n: int) -> list[Row]:
        texts = ["a" * random.randint(20, 200) for _ in range(n)]
        return rows_of(
            [make_cut(f"u{first + k}", text, None, seconds=None) for k, text in enumerate(texts)], first
        )

    shared, left, right = part(0, 9000), part(10_000, 777), part(20_000, 501)
    alone, within = cut(shared), cut([*left, *shared, *right])
    assert len(alone) > 10
    assert len(set(alone) - set(within)) <= 2


def test_rows_that_are_empty_fill_shards_too() -> None:
    """A manifest of faulty lines, say."""
    rows = rows_of([make_cut(f"line {n}", None, None, seconds=None) for n in range(20_000)])
    assert max(map(len, cut(rows))) <= 8000


def test_only_what_a_row_says_decides_its_cut() -> None:
    assert make_cut("a", "x", None, seconds=None) == make_cut("a", "x", None, seconds=None)
    cuts = [
        make_cut(*values, seconds=1.0).digest
        for values in (("a", None, "x"), ("b", None, "x"), ("a", "x", None))
    ]
    assert len(set(cuts)) == 3
    assert all(0 <= digest < 1 for digest in cuts)
