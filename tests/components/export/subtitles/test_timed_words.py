from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.export.subtitles.timed_words import clean_text, join_words, spread_text, words_of_segment
from components.records import Segment, Word

TEXTS = st.text(st.sampled_from("ab ,.。ー你好ァ한국ไทยก้é\u0301<>{}\\\n"), max_size=60)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Two boys, at home.", ["Two", "boys,", "at", "home."]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("「カー」へ", ["「カー」", "へ"]),  # no line begins with ー or 」, none ends with 「
        ("한국어 문장", ["한국어", "문장"]),
        ("GPU上で", ["GPU", "上", "で"]),
        ("", []),
    ],
)
def test_a_word_is_what_no_line_break_divides(text: str, pieces: list[str]) -> None:
    assert [word.text for word in spread_text(text, [(0, 1)])] == pieces


def test_words_are_spread_over_speech_and_not_over_silence() -> None:
    first, second = spread_text("abc defg", [(0.0, 3.0), (10.0, 15.0)])
    assert (first.start, first.end) == (0.0, 3.0)
    assert (second.start, second.end) == (10.0, 15.0)


@given(TEXTS, st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_no_letter_is_lost_and_times_run_on(text: str, times: list[float]) -> None:
    ordered = sorted(times)
    spans = list(zip(ordered[::2], ordered[1::2], strict=False))
    words = spread_text(text, spans)
    assert join_words(words) == clean_text(text)
    clock = spans[0][0]
    for word in words:
        assert clock <= word.start + 1e-6
        assert word.start <= word.end + 1e-6
        clock = word.start
    assert not words or words[-1].end <= spans[-1][1] + 1e-6


def test_words_of_a_recognizer_keep_their_times() -> None:
    words = (
        Word(start=0.0, end=0.4, text=" Don", probability=0.9),
        Word(start=0.4, end=0.5, text="'t", probability=0.4),
        Word(start=0.6, end=1.0, text=" go.", probability=0.8),
    )
    segment = Segment(start=0.0, end=1.2, text="Don't go.", words=words)
    first, second = words_of_segment(segment, 10.0, 0.1)
    assert (first.text, first.start, first.end, first.confidence) == ("Don't", 10.0, 10.5, 0.4)
    assert (second.text, second.start, second.end, second.confidence) == ("go.", 10.6, 11.0, 0.8)


def test_words_of_another_text_are_not_used() -> None:
    segment = Segment(
        start=0, end=2, text="Go now.", words=(Word(start=0, end=1, text=" Stay.", probability=1),)
    )
    words = words_of_segment(segment, 0.0, 0.5)
    assert [word.text for word in words] == ["Go", "now."]
    assert {word.confidence for word in words} == {0.5}
