from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import audio
from components.data import load
from components.recognition.vad import windows
from components.recognition.vad.windows import MAX_WINDOW_SECONDS, Span, find_speech, pack_speech, windows_of

gaps_and_lengths = st.lists(st.tuples(st.floats(0.25, 40), st.floats(0.125, 70)), min_size=0, max_size=30)


def spans_from(pairs: list[tuple[float, float]]) -> tuple[list[Span], float]:
    spans, now = [], 0.0
    for gap, length in pairs:
        spans.append(Span(now + gap, now + gap + length))
        now += gap + length
    return spans, now + 0.5


@given(gaps_and_lengths)
@settings(max_examples=300)
def test_packed_spans_cover_all_speech_in_order_and_fit_a_window(pairs: list[tuple[float, float]]) -> None:
    speech, seconds = spans_from(pairs)
    packed = pack_speech(speech, seconds)
    for span in packed:
        assert 0 <= span.start < span.end <= seconds + 1e-6
        assert span.end - span.start <= MAX_WINDOW_SECONDS + 1e-6
    for before, after in pairwise(packed):
        assert before.end <= after.start + 1e-9
    for span in speech:
        left = span.end - span.start
        covered = sum(max(0.0, min(span.end, p.end) - max(span.start, p.start)) for p in packed)
        assert covered == pytest.approx(left, abs=1e-6)
        assert sum(p.speech_within(span.start, span.end) for p in packed) == pytest.approx(left, abs=1e-6)
    for span in packed:
        assert all(span.start <= a < b <= span.end for a, b in span.speech)


@given(gaps_and_lengths)
@settings(max_examples=100)
def test_no_two_neighbours_would_fit_one_window(pairs: list[tuple[float, float]]) -> None:
    speech, seconds = spans_from(pairs)
    packed = pack_speech(speech, seconds)
    for before, after in pairwise(packed):
        assert after.end - before.start > MAX_WINDOW_SECONDS - 1e-6


def test_only_speech_longer_than_a_window_is_cut_inside() -> None:
    packed = pack_speech([Span(1, 11), Span(12, 22), Span(23, 33)], 40)
    assert [(round(p.start, 2), round(p.end, 2)) for p in packed] == [(0.7, 22.3), (22.7, 33.3)]
    long = pack_speech([Span(0, 75)], 75)
    assert [p.end - p.start for p in long] == pytest.approx([25.0, 25.0, 25.0])


@given(st.lists(st.floats(0, 1, width=32), max_size=200))
def test_every_confident_chunk_is_speech_unless_alone(probabilities: list[float]) -> None:
    spans = find_speech(probabilities, chunk=1.0)
    for i, p in enumerate(probabilities):
        if p >= windows.THRESHOLD:
            assert any(span.start <= i and i + 1 <= span.end + 1e-9 for span in spans)
    for before, after in pairwise(spans):
        assert before.end < after.start


def test_a_short_dip_does_not_end_speech() -> None:
    probabilities = [0.9] * 20 + [0.1] * 3 + [0.9] * 20 + [0.1] * 20
    (span,) = find_speech(probabilities, chunk=0.032)
    assert span.start == 0
    assert span.end == pytest.approx(43 * 0.032)


def test_short_audio_is_one_window_and_long_silence_none() -> None:
    assert windows_of(np.zeros(16000 * 30, np.float32)) == [Span(0.0, 30.0, voiced=False)]
    assert windows_of(np.zeros(16000 * 61, np.float32)) == []


@pytest.mark.parametrize("decibels", [0, -50, -60])
def test_speech_is_voiced_however_quiet_and_short_and_noise_is_not(decibels: int) -> None:
    (spoken,) = load("sample", limit=1).utterances
    samples = audio.decode(spoken.audio) * np.float32(10 ** (decibels / 20))
    loudest = int(np.abs(samples).argmax())
    (whole,), (word,) = windows_of(samples), windows_of(samples[max(0, loudest - 3200) : loudest + 3200])
    assert whole.voiced
    assert word.voiced
    level = 10 ** (decibels / 20) / 10
    noise = np.random.default_rng(0).normal(0, level, 2 * 16000).astype(np.float32)
    assert [span.voiced for span in windows_of(noise)] == [False]


def test_quiet_speech_in_long_audio_is_found() -> None:
    (spoken,) = load("sample", limit=1).utterances
    samples = np.tile(audio.decode(spoken.audio), 30)[: 40 * 16000]
    quiet = windows_of(samples * np.float32(5e-4))
    assert sum(span.end - span.start for span in quiet) > 20


def test_digital_silence() -> None:
    assert windows.is_silent(np.zeros(0, np.float32))
    assert windows.is_silent(np.full(1000, 1e-4, np.float32))
    assert not windows.is_silent(np.array([0.0, 0.01], np.float32))
