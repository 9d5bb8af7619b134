"""Sentences of a timed text: across segments and pauses, with the times of their words, never too long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.records import Segment, Word
from components.translation.segments.sentences import split_sentences
from components.translation.segments.timed_text import MAX_CHARACTERS, MAX_WORDS, TimedText


def segment(start: float, end: float, text: str, *, words: bool = False) -> Segment:
    """Its words, if it has any, take equal times without pauses."""
    parts = text.split()
    step = (end - start) / max(len(parts), 1)
    timed = tuple(
        Word(start=start + n * step, end=start + (n + 1) * step, text=f" {part}")
        for n, part in enumerate(parts)
    )
    return Segment(start=start, end=end, text=text, words=timed if words else ())


def cut(text: str, *segments: Segment, language: str = "en") -> list[tuple[str, float | None, float | None]]:
    timed = TimedText(text, language, segments)
    rows: list[tuple[str, float | None, float | None]] = []
    for span in timed.sentences():
        start, end = timed.times_of(span) or (None, None)
        rows.append((text[span.start : span.end], start, end))
    return rows


def test_a_sentence_runs_across_segments_and_windows() -> None:
    segments = (segment(1, 2, "Two men"), segment(3.5, 4, "sit. A dog"), segment(30.2, 31, "runs."))
    assert cut("Two men sit. A dog runs.", *segments) == [
        ("Two men sit.", 1, pytest.approx(3.5 + 0.5 * 4 / 10)),  # 4 of the 10 characters of its segment
        ("A dog runs.", pytest.approx(3.5 + 0.5 * 5 / 10), 31),
    ]


def test_words_give_the_times_where_there_are_words() -> None:
    text = "I see. Extraordinarily good"
    timed = cut(text, segment(0, 4, text, words=True))
    assert timed == [("I see.", 0, 2), ("Extraordinarily good", 2, 4)]
    assert cut(text, segment(0, 4, text))[0][2] == pytest.approx(4 * 6 / 27)


def test_text_without_marks_is_cut_at_pauses_and_marked_text_is_not() -> None:
    pieces = (segment(0, 1, "two men"), segment(1.1, 2, "sit there"), segment(2.8, 4, "a dog runs"))
    assert [text for text, *_ in cut("two men sit there a dog runs", *pieces)] == [
        "two men sit there",
        "a dog runs",
    ]
    stopped = (segment(0, 2, "Two men sit."), segment(2.7, 4, "a dog runs."))
    assert len(cut("Two men sit. a dog runs.", *stopped)) == 2
    assert len(cut("Two men sit. a dog runs.")) == 1  # as a text, it may be an abbreviation
    marked = (*pieces[:2], segment(2.8, 4, "and look."))
    assert [text for text, *_ in cut("two men sit there and look.", *marked)] == [
        "two men sit there and look."
    ]


def test_a_long_sentence_is_halved_at_its_longest_pause_else_at_a_clause_else_at_a_space() -> None:
    words = [f"w{n:02}" for n in range(MAX_WORDS + 10)]
    parts = " ".join(words[:15]), " ".join(words[15:35]), " ".join(words[35:])
    pauses = segment(0, 9, parts[0]), segment(9.5, 20, parts[1]), segment(20.3, 30, parts[2])
    assert [(text, start) for text, start, _ in cut(" ".join(words) + ".", *pauses)] == [
        (parts[0], 0),
        (f"{parts[1]} {parts[2]}.", 9.5),
    ]
    clause = f"{parts[0]}, {parts[1]} {parts[2]}."
    assert cut(clause, segment(0, 30, clause))[0][0] == f"{parts[0]},"
    first, rest = f"w, {' '.join(words[:30])},", f"{' '.join(words[:10])}, {' '.join(words[:5])}."
    text = f"{first} {rest}"  # of its three commas the second ends a segment
    assert cut(text, segment(0, 9, first), segment(9, 20, rest))[0][0] == first
    plain = " ".join(words) + "."
    assert [len(text.split()) for text, *_ in cut(plain, segment(0, 30, plain))] == [25, 25]
    han = "好" * (MAX_CHARACTERS + 2)
    assert [len(text) for text, *_ in cut(han, segment(0, 9, han), language="zh")] == [41, 41]


def test_without_times_the_sentences_are_those_of_the_splitter() -> None:
    text = " ".join(["word"] * 200) + ". Another. no mark"
    assert [row[0] for row in cut(text)] == split_sentences(text, "en")
    assert {row[1] for row in cut(text)} == {None}
    assert cut("") == cut("", segment(0, 1, "")) == []


def test_a_text_that_its_segments_do_not_say_is_spread_over_them() -> None:
    assert cut("Ab. Cd.", segment(2, 3, "something"), segment(3, 9, "else")) == [
        ("Ab.", 2, pytest.approx(5)),
        ("Cd.", pytest.approx(6), 9),
    ]


def test_a_segment_whose_words_are_not_its_text_has_its_own_times_only() -> None:
    other = segment(0, 4, "I see. Good", words=True).model_copy(
        update={"words": (Word(start=0, end=4, text=" something"),)}
    )
    assert cut("I see. Good", other) == cut("I see. Good", segment(0, 4, "I see. Good"))


TEXTS = st.lists(st.sampled_from(["One two.", "three, four", "five", "Six!"]), min_size=1, max_size=8)
GAPS = st.lists(st.floats(0, 2), min_size=16, max_size=16)


@given(TEXTS, GAPS, st.booleans())
def test_nothing_is_lost_and_times_go_forward(texts: list[str], gaps: list[float], words: bool) -> None:
    segments, now = [], 0.0
    for number, text in enumerate(texts):
        start = now + gaps[2 * number]
        now = start + gaps[2 * number + 1]
        segments.append(segment(start, now, text, words=words))
    rows = cut(" ".join(texts), *segments)
    assert " ".join(text for text, *_ in rows) == " ".join(texts)
    times = [time for _, *pair in rows for time in pair]
    assert all(a <= b + 1e-9 for a, b in pairwise(times))
    assert times[0] == segments[0].start
    assert times[-1] == segments[-1].end
