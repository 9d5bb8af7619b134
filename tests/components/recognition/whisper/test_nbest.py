from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.candidates import Candidate
from components.recognition.whisper.backend import ModelDimensions
from components.recognition.whisper.nbest import build_nbest, piece_of
from components.recognition.whisper.windows.decoding_state import DecodedWhisperWindow

pytestmark = pytest.mark.core

TOKENIZER = ModelDimensions(80, 448, 51865).get_tokenizer("en", "transcribe")
STAMP, EOT = TOKENIZER.timestamp_begin, TOKENIZER.eot


def candidate(text: str, rank: float, end: int = 100) -> Candidate:
    tokens = (STAMP, *TOKENIZER.encode(text), STAMP + end)
    log_probs = (rank,) * (len(tokens) + 1)
    return Candidate(tokens, sum(log_probs), log_probs, (), EOT, rank)


def window(
    start: float, *candidates: Candidate, silent: bool = False, frames: int = 3000
) -> DecodedWhisperWindow:
    return DecodedWhisperWindow(start, frames, list(candidates), 0.1, 0.0, silent)


def test_windows_are_joined_in_time_order_with_times_and_scores() -> None:
    result = build_nbest(
        [window(30, candidate(" And rests.", -0.2)), window(0, candidate(" A man rides.", -0.1))],
        TOKENIZER, "s", 5,
    )  # fmt: skip
    (best,) = result
    assert best.text == "A man rides. And rests."
    assert [(s.start, s.end, s.text) for s in best.segments] == [
        (0.0, 2.0, "A man rides."),
        (30.0, 32.0, "And rests."),
    ]
    assert best.score == pytest.approx(sum(t.log_prob for t in best.tokens))
    assert best.n_tokens == len(best.tokens)
    assert best.tokens[-1].piece == "<|endoftext|>"


ranks = st.lists(st.floats(-3, 0, width=32), min_size=1, max_size=4, unique=True)


@given(st.lists(ranks, min_size=1, max_size=4), st.integers(1, 6))
@settings(max_examples=60)
def test_n_best_equals_the_best_of_all_combinations(windows: list[list[float]], n: int) -> None:
    candidates = [
        window(30.0 * i, *(candidate(f" w{i} c{j}.", r) for j, r in enumerate(sorted(row, reverse=True))))
        for i, row in enumerate(windows)
    ]
    everything = sorted(
        itertools.product(*(w.candidates for w in candidates)),
        key=lambda c: -sum(x.normalized_score for x in c),
    )
    result = build_nbest(candidates, TOKENIZER, "s", n)
    assert len(result) == min(n, len(everything))
    for hypothesis, combination in zip(result, everything, strict=False):
        assert hypothesis.score == pytest.approx(sum(c.score for c in combination), rel=1e-4, abs=1e-4)


def test_silence_is_one_empty_hypothesis_that_says_so() -> None:
    for windows in ([], [window(0, candidate(" you", -2), silent=True)]):
        (only,) = build_nbest(windows, TOKENIZER, "s", 5)
        assert only.text == ""
        assert only.features["silence"] == 1.0
        assert only.n_tokens == 0


def test_a_text_without_a_letter_or_digit_is_silence() -> None:
    (only,) = build_nbest([window(0, candidate(" . . . . .", -0.7))], TOKENIZER, "s", 5)
    assert (only.text, only.segments, only.features["silence"]) == ("", (), 1.0)


def test_segments_end_with_the_audio_and_do_not_overlap() -> None:
    windows = [window(0, candidate(" One.", -0.1)), window(1.9, candidate(" Two.", -0.1), frames=110)]
    (best,) = build_nbest(windows, TOKENIZER, "s", 5)
    assert best.text == "One. Two."
    times = [time for segment in best.segments for time in (segment.start, segment.end)]
    assert times == pytest.approx([0.0, 2.0, 2.0, 3.0])


def test_candidates_that_differ_in_times_only_are_one() -> None:
    result = build_nbest(
        [window(0, candidate(" Yes.", -0.1), candidate(" Yes.", -0.2, end=90))], TOKENIZER, "s", 5
    )
    assert [h.text for h in result] == ["Yes."]
    assert result[0].features["mean_log_prob"] == pytest.approx(-0.1)


def test_pieces_of_split_characters_are_legible() -> None:
    pieces = [piece_of(t, TOKENIZER) for t in TOKENIZER.encode("🏇")]
    assert all(p.isascii() for p in pieces)
    assert piece_of(STAMP + 1, TOKENIZER) == "<|0.02|>"
