from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisper.utils import compression_ratio as theirs

from components.recognition.config import RecognitionConfig
from components.recognition.whisper.fallback import (
    compression_ratio,
    is_silence,
    needs_fallback,
    plausibility,
    repeats_ngram,
)

CONFIG = RecognitionConfig()


MENU = "".join(
    f"Нажмите {number} для {purpose}. "
    for number, purpose in (
        ("один", "записи вашего сообщения при статусе недоступен"),
        ("два", "записи вашего сообщения при статусе занят"),
        ("три", "записи вашего имени"),
        ("четыре", "смены вашего пароля"),
        ("пять", "прослушивания вашего сообщения"),
    )
)


@given(st.text(st.characters(max_codepoint=127), max_size=300))
def test_compression_ratio_of_ascii_is_openai_whispers(text: str) -> None:
    assert compression_ratio(text) == pytest.approx(theirs(text))


def test_a_letter_counts_once_in_any_alphabet() -> None:
    """A menu passes as it does in English; loops do not, nor where there are too many letters for bytes."""
    assert compression_ratio(MENU) < CONFIG.compression_ratio_threshold < theirs(MENU)
    assert compression_ratio(MENU * 3) > CONFIG.compression_ratio_threshold
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))
    assert compression_ratio(many) == pytest.approx(theirs(many))


def test_where_no_attempt_passes_a_likely_text_that_is_no_loop_is_taken() -> None:
    alike, loop, drawn = "a b c. " * 20, [7, 8] * 30, list(range(40))
    first = plausibility(CONFIG, alike, drawn, -0.2)
    assert needs_fallback(CONFIG, alike, drawn, -0.2)
    assert first > plausibility(CONFIG, "cat sharply", [1, 2], -5.6)
    assert plausibility(CONFIG, "alike", drawn, -1.2) > plausibility(CONFIG, alike, loop, -0.1)
    assert plausibility(CONFIG, "alike", drawn, -1.2) > plausibility(CONFIG, "alike", drawn, -1.3)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.lists(st.integers(100, 150), max_size=20))
def test_any_ngram_repeated_long_enough_is_a_loop(ngram: list[int], before: list[int]) -> None:
    assert repeats_ngram([*before, *ngram * 24])
    assert not repeats_ngram(ngram * 2)


@given(st.lists(st.integers(), max_size=100, unique=True))
def test_distinct_tokens_never_loop(tokens: list[int]) -> None:
    assert not repeats_ngram(tokens)


def test_a_list_of_short_words_is_not_a_loop() -> None:
    assert not repeats_ngram([1, 2, 3] * 4 + [9, 8, 7])
    assert repeats_ngram([1, 2, 3] * 8)


@pytest.mark.parametrize(
    ("no_speech", "mean", "silent"),
    [(0.9, -1.5, True), (0.9, -0.5, False), (0.3, -1.5, False), (0.9, -1.0, True)],
)
def test_silence_needs_both_signs(no_speech: float, mean: float, silent: bool) -> None:
    assert is_silence(CONFIG, no_speech, mean) is silent


@pytest.mark.parametrize(
    ("text", "tokens", "mean", "retry"),
    [
        ("A man rides a horse.", [1, 2, 3], -0.3, False),
        ("A man rides a horse.", [1, 2, 3], -1.3, True),
        ("you " * 60, [1] * 10, -0.1, True),
        ("la la", [5, 6] * 30, -0.1, True),
    ],
)
def test_must_retry(text: str, tokens: list[int], mean: float, retry: bool) -> None:
    assert needs_fallback(CONFIG, text, tokens, mean) is retry
