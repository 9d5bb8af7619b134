"""Edited words stay in the segments, and so in the times, of the words that they replace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.editing.retiming import distribute_text
from tests.components.editing.texts import segment

SEGMENTS = (segment(0, 2, "two boys"), segment(2, 4, "build a wal"), segment(5, 6, "of snow"))

LETTERS = st.sampled_from("abc")


def pieces(text: str) -> list[tuple[float, str]]:
    return [(each.start, each.text) for each in distribute_text(SEGMENTS, text)]


def test_words_go_where_the_words_were_that_they_replace() -> None:
    assert pieces("Two boys build a wall of snow") == [(0, "Two boys"), (2, "build a wall"), (5, "of snow")]
    assert pieces("two small boys build a wal of deep snow") == [
        (0, "two small boys"),
        (2, "build a wal"),
        (5, "of deep snow"),
    ]


def test_an_unchanged_segment_keeps_its_words_and_an_empty_one_goes() -> None:
    first, last = distribute_text(SEGMENTS, "two boys of ice")
    assert first is SEGMENTS[0]
    assert (last.text, last.words) == ("of ice", ())


def test_text_without_spaces_is_cut_between_letters() -> None:
    segments = (segment(0, 1, "男の人"), segment(1, 2, "が歩く"))
    assert [each.text for each in distribute_text(segments, "女の人が走る")] == ["女の人", "が走る"]


@given(
    st.lists(st.sampled_from("abc"), max_size=8),
    st.lists(st.sampled_from("abc"), max_size=12),
    st.integers(1, 4),
)
def test_no_word_is_lost_and_times_stay_in_order(before: list[str], after: list[str], width: int) -> None:
    cut = [before[n : n + width] for n in range(0, len(before), width)]
    segments = tuple(segment(n, n + 1, " ".join(words)) for n, words in enumerate(cut))
    distributed = distribute_text(segments, " ".join(after))
    if segments:
        assert " ".join(each.text for each in distributed).split() == after
        assert [each.start for each in distributed] == sorted({each.start for each in distributed})
