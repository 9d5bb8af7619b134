"""Slicing a window's tokens against openai-whisper's ``transcribe`` itself, with a model that says them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.decoding import DecodingResult
from whisper.transcribe import transcribe

from components.recognition.whisper.backend import ModelDimensions
from components.recognition.whisper.words.segments import split_into_segments

TOKENIZER = ModelDimensions(80, 448, 51865).get_tokenizer("en", "transcribe")
STAMP = TOKENIZER.timestamp_begin
WORDS = TOKENIZER.encode(" one two three four five six")


class Says:
    """Stands for a model: says ``tokens`` in the first window and nothing in those that follow."""

    def __init__(self, tokens: list[int]) -> None:
        self.windows = [tokens]
        self.seconds = 0
        self.device: Any = None
        self.is_multilingual, self.num_languages = True, 99
        import torch
        from whisper.model import ModelDimensions

        self.device = torch.device("cpu")
        self.dims = ModelDimensions(80, 1500, 8, 1, 1, 51865, 448, 8, 1, 1)

    def decode(self, segment: Any, options: Any) -> DecodingResult:
        tokens = self.windows.pop(0) if self.windows else []
        text = TOKENIZER.decode(tokens).strip()
        return DecodingResult(segment, "en", tokens=tokens, text=text, avg_logprob=-0.1, no_speech_prob=0.0,
                              temperature=0.0, compression_ratio=1.0)  # fmt: skip


def sequences() -> st.SearchStrategy[list[int]]:
    """What the timestamp rules let through: stamps in pairs that do not go back, words between them."""

    def build(parts: list[tuple[int, int]], ending: str, words: int) -> list[int]:
        now, out = 0, []
        for gap, count in parts:
            out += [STAMP + now, *WORDS[:count]]
            now += gap
            out += [STAMP + now]
        if ending == "open":
            out += [STAMP + now, *WORDS[:words]]
        return out

    parts = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 6)), min_size=0, max_size=5)
    return st.builds(build, parts, st.sampled_from(["closed", "open"]), st.integers(1, 6))


@given(sequences(), st.integers(1600, 160000))
@settings(max_examples=100)
def test_text_times_and_advance_are_transcribes(tokens: list[int], samples: int) -> None:
    result = transcribe(
        Says(tokens), np.zeros(samples, np.float32), language="en", fp16=False, temperature=0.0
    )
    first = [s for s in result["segments"] if s["seek"] == 0]
    pieces, advance = split_into_segments(tokens, TOKENIZER, samples // 160)
    expected = [(s["start"], s["end"], s["text"]) for s in first if s["text"]]
    got = [(p.start, p.end, TOKENIZER.decode(list(p.tokens))) for p in pieces]
    assert [g[2] for g in got] == [e[2] for e in expected]
    for mine, theirs in zip(got, expected, strict=True):
        assert mine[:2] == pytest.approx(theirs[:2])
    later = [s["seek"] for s in result["segments"] if s["seek"] > 0]
    if later:
        assert later[0] == advance


def test_an_unfinished_last_segment_is_left_for_the_next_window() -> None:
    tokens = [STAMP, *WORDS[:2], STAMP + 100, STAMP + 100, *WORDS[2:4]]
    pieces, advance = split_into_segments(tokens, TOKENIZER, 3000)
    assert [(p.start, p.end, p.tokens) for p in pieces] == [(0.0, 2.0, tuple(WORDS[:2]))]
    assert advance == 200
