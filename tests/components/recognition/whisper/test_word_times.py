"""Words and their times: openai-whisper's rules, and what holds of every text."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from typing import Any

import pytest
import whisper.timing
from hypothesis import example, given, settings
from hypothesis import strategies as st
from whisper.timing import WordTiming

from components.recognition.whisper.backend import ModelDimensions, TokenAlignment
from components.recognition.whisper.words.segments import TimedTokens
from components.recognition.whisper.words.timer import build_segments_with_words

DIMS = ModelDimensions(80, 448, 51865)
TOKENIZER = DIMS.get_tokenizer("en", "transcribe")
WINDOW = (40.0, 70.0)
WORDS = (" a", " man", " rides", ".", ",", ' "', '"', " Well", "?", " (so", ")", " -", " 3", "'s")


def texts(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(words, min_size=1, max_size=8).map(lambda parts: " Oh" + "".join(parts) + " end")


@st.composite
def aligned_windows(
    draw: st.DrawFn, text: st.SearchStrategy[str]
) -> tuple[list[TimedTokens], TokenAlignment, float]:
    parts = draw(st.lists(text, min_size=1, max_size=3))
    tokens = [tuple(TOKENIZER.encode(part)) for part in parts]
    total = sum(map(len, tokens))
    steps = st.integers(0, 40) | st.just(0) | st.integers(0, 300)
    gaps = draw(st.lists(steps, min_size=total + 1, max_size=total + 1))
    times = [min(1500, sum(gaps[: i + 1])) / 50 for i in range(total + 1)]
    borders = sorted(draw(st.integers(0, 1500)) / 50 for _ in range(2 * len(parts)))
    positions = iter(range(total))
    pieces = [
        TimedTokens(*border, part, tuple(next(positions) for _ in part))
        for border, part in zip(pairwise(borders), tokens, strict=False)
    ]
    log_probs = tuple(draw(st.floats(-5, 0)) for _ in range(total))
    return pieces, TokenAlignment(tuple(times), log_probs), draw(st.sampled_from([0.0, 35.0, 39.9, 40.0]))


def reference(pieces: list[TimedTokens], alignment: TokenAlignment, previous: float) -> list[dict[str, Any]]:
    """The same by openai-whisper's ``add_word_timestamps`` over the same alignment."""

    def find_alignment(model: Any, tokenizer: Any, tokens: list[int], *_: Any) -> list[WordTiming]:
        words, parts = tokenizer.split_to_word_tokens(tokens)
        timings, position = [], 0
        for word, part in zip(words, parts, strict=True):
            end = position + len(part)
            probability = sum(map(math.exp, alignment.log_probs[position:end])) / len(part)
            times = alignment.times[position], alignment.times[end]
            timings.append(WordTiming(word, part, *times, probability))
            position = end
        return timings

    segments: list[dict[str, Any]] = [
        {
            "seek": int(WINDOW[0] * 100),
            "start": WINDOW[0] + piece.start,
            "end": WINDOW[0] + piece.end,
            "tokens": list(piece.tokens),
        }
        for piece in pieces
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whisper.timing, "find_alignment", find_alignment)
        whisper.timing.add_word_timestamps(
            segments=segments,
            model=None,  # type: ignore[arg-type]
            tokenizer=TOKENIZER,
            mel=None,  # type: ignore[arg-type]
            num_frames=3000,
            last_speech_timestamp=previous,
        )
    return segments


CUT_AT_ITS_END = (
    [
        TimedTokens(0.0, 0.0, (876, 257, 257, 257, 257, 917), (0, 1, 2, 3, 4, 5)),
        TimedTokens(0.0, 0.3, (876, 257, 257, 353, 917), (6, 7, 8, 9, 10)),
        TimedTokens(0.3, 0.3, (876, 13, 917), (11, 12, 13)),
    ],
    TokenAlignment(
        (0, 0, 0, 0.02, 0.02, 0.02, 0.04, 0.28, 0.28, 0.28, 0.28, 0.86, 0.88, 0.88, 1.38), (0.0,) * 14
    ),
    0.0,
)
"""The last word of the second segment still ends after it when it is cut; the pause begins before."""


@given(aligned_windows(texts(st.sampled_from(WORDS))))
@example(CUT_AT_ITS_END)
@settings(max_examples=100)
def test_words_have_the_times_that_openai_whispers_rules_give(
    window: tuple[list[TimedTokens], TokenAlignment, float],
) -> None:
    pieces, alignment, previous = window
    expected = [word for segment in reference(pieces, alignment, previous) for word in segment["words"]]
    segments = build_segments_with_words(pieces, alignment, TOKENIZER, WINDOW, previous)
    words = [word for segment in segments for word in segment.words]
    assert [word.text for word in words] == [word["word"] for word in expected]
    assert [word.probability for word in words] == pytest.approx(
        [word["probability"] for word in expected], abs=1e-4
    )
    end = previous
    for word, its in zip(words, expected, strict=True):  # theirs may overlap or pass the window's end
        start = max(end, min(its["start"], WINDOW[1]))
        end = max(start, min(its["end"], WINDOW[1]))
        assert (word.start, word.end) == pytest.approx((start, end), abs=1e-6)


@given(aligned_windows(st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip()))))
@settings(max_examples=60)
def test_times_never_fall_and_words_are_the_text(
    window: tuple[list[TimedTokens], TokenAlignment, float],
) -> None:
    pieces, alignment, previous = window
    segments = build_segments_with_words(pieces, alignment, TOKENIZER, WINDOW, previous)
    times = [previous]
    for segment, piece in zip(segments, pieces, strict=True):
        joined = "".join(word.text for word in segment.words)
        assert unicodedata.normalize("NFC", joined).strip() == segment.text
        assert segment.text == unicodedata.normalize("NFC", TOKENIZER.decode(list(piece.tokens))).strip()
        assert segment.words[0].start == segment.start
        assert segment.words[-1].end == segment.end
        assert segment.mean_log_prob == pytest.approx(
            sum(alignment.log_probs[i] for i in piece.positions) / len(piece.positions)
        )
        times += [time for word in segment.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= max(previous, WINDOW[1])


def test_languages_without_spaces_are_split_by_characters() -> None:
    tokenizer = DIMS.get_tokenizer("zh", "transcribe")
    tokens = tuple(tokenizer.encode("我去学校。"))
    alignment = TokenAlignment(tuple(i / 10 for i in range(len(tokens) + 1)), (-0.1,) * len(tokens))
    piece = TimedTokens(0.0, 1.0, tokens, tuple(range(len(tokens))))
    (segment,) = build_segments_with_words([piece], alignment, tokenizer, (0.0, 2.0), 0.0)
    assert "".join(word.text for word in segment.words) == "我去学校。"
    assert len(segment.words) > 1
    assert segment.words[-1].text.endswith("。")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("after", ["", " again"])
def test_a_character_that_is_cut_off_loses_no_token_and_no_word(language: str, after: str) -> None:
    """Two of the three bytes of a letter: openai-whisper's split fails, or leaves out what follows."""
    tokenizer = DIMS.get_tokenizer(language, "transcribe")
    tokens = (*tokenizer.encode(" hello 鿿")[:-1], *tokenizer.encode(after))
    more = tuple(tokenizer.encode(" end"))
    total = len(tokens) + len(more)
    alignment = TokenAlignment(tuple(i / 10 for i in range(total + 1)), (-0.1,) * total)
    pieces = [
        TimedTokens(0.0, 1.0, tokens, tuple(range(len(tokens)))),
        TimedTokens(1.0, 2.0, more, tuple(range(len(tokens), total))),
    ]
    first, second = build_segments_with_words(pieces, alignment, tokenizer, (0.0, 30.0), 0.0)
    assert first.text == f"hello \ufffd{after}"
    for segment in (first, second):
        assert "".join(word.text for word in segment.words).strip() == segment.text
    assert second.start == pytest.approx(len(tokens) / 10)
