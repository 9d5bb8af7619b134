"""Words held to the speech around them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.recognition.vad.windows import Span
from components.recognition.whisper.words.speech import hold_to_speech
from components.records import Segment, Word

Times = list[tuple[float, float]]


def held(words: Times, speech: Times) -> Times:
    """The times of words, each of them a segment of its own."""
    segments = [
        Segment(start=start, end=end, text="a", words=(Word(start=start, end=end, text=" a"),))
        for start, end in words
    ]
    result = hold_to_speech(segments, [Span(*times) for times in speech])
    assert all((s.start, s.end) == (s.words[0].start, s.words[0].end) for s in result)
    return [(segment.start, segment.end) for segment in result]


@pytest.mark.parametrize(
    ("words", "speech", "expected"),
    [
        pytest.param([(0.5, 1.0)], [(0.4, 1.8)], [(0.5, 1.8)], id="ends with the speech"),
        pytest.param([(0.5, 1.0)], [(0.4, 9.0)], [(0.5, 2.5)], id="words were left out"),
        pytest.param([(0.5, 1.0), (1.2, 1.5)], [(0.4, 1.6)], [(0.5, 1.0), (1.2, 1.6)], id="the last alone"),
        pytest.param([(2.0, 3.5)], [(3.0, 3.5)], [(2.6, 3.5)], id="begins in the pause"),
        pytest.param([(2.8, 3.5)], [(3.0, 3.5)], [(2.8, 3.5)], id="begins just before"),
        pytest.param(
            [(0.5, 1.0), (1.5, 3.5)], [(0.4, 1.8), (3.0, 3.5)], [(0.5, 1.8), (2.6, 3.5)], id="both sides"
        ),
        pytest.param([(2.0, 2.5)], [(0.0, 1.0), (3.0, 4.0)], [(2.0, 2.5)], id="no speech in it"),
        pytest.param([(2.0, 2.5)], [], [(2.0, 2.5)], id="no speech at all"),
    ],
)
def test_times(words: Times, speech: Times, expected: Times) -> None:
    assert held(words, speech) == expected


def ordered(length: int) -> st.SearchStrategy[Times]:
    times = st.lists(st.integers(0, 900), max_size=length).map(lambda found: [t / 100 for t in sorted(found)])
    return times.map(lambda found: list(zip(found[::2], found[1::2], strict=False)))


@given(ordered(16), ordered(10))
def test_words_keep_their_order_and_move_by_little(words: Times, speech: Times) -> None:
    speech = [(start, end) for start, end in speech if end > start]
    found = held(words, speech)
    assert len(found) == len(words)
    flat = [time for each in found for time in each]
    assert all(before <= after for before, after in pairwise(flat))
    for (start, end), (new_start, new_end) in zip(words, found, strict=True):
        assert new_start >= start
        assert end <= new_end <= end + 1.5 + 1e-9
