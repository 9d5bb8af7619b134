"""Alignments of random models: openai-whisper's, in any library, whatever else is in the batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.timing import find_alignment

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.recognition.backends.transformers_whisper.model import TransformersWhisperBackend
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    ModelDimensions,
    TokenAlignment,
)
from components.recognition.whisper.words.alignment import align, start_sequence
from components.recognition.whisper.words.segments import text_positions
from tests.components.recognition.backends.test_transformers import as_hub
from tests.components.recognition.tiny import mels, tiny

TOKENIZER = ModelDimensions(80, 64, 51865).get_tokenizer("en", "transcribe")
FRAMES = [3000, 1234, 700, 61, 2]
PROMPTS = torch.tensor([list(TOKENIZER.sot_sequence)] * len(FRAMES))


def windows(seed: int) -> Tensor:
    batch = mels(len(FRAMES), seed)
    for row, frames in enumerate(FRAMES):
        batch[row, :, frames:] = 0
    return batch


def decode(
    backend: OpenAIWhisperBackend | TransformersWhisperBackend, mel: Tensor, rows: list[int], beam: int = 1
) -> list[DecodingResult]:
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=24)
    frames = [FRAMES[row] for row in rows]
    request = DecodingRequest(PROMPTS[rows], config, True, rows, frames)
    return backend.decode(backend.encode(mel[rows]), request)  # type: ignore[arg-type]


def expected_times(model: Whisper, mel: Tensor, result: DecodingResult, frames: int) -> list[float]:
    """Where openai-whisper's words begin and end."""
    tokens = result.candidates[0].tokens
    text = [tokens[i] for i in text_positions(tokens, TOKENIZER, frames)]
    words = find_alignment(model, TOKENIZER, text, mel, frames)
    return [time for word in words for time in (word.start, word.end)]


def word_times(result: DecodingResult, frames: int) -> list[float]:
    tokens = result.candidates[0].tokens
    text = [tokens[i] for i in text_positions(tokens, TOKENIZER, frames)]
    assert len(result.alignment.times) == len(text) + 1
    assert len(result.alignment.log_probs) == len(text)
    times, position = [], 0
    for part in TOKENIZER.split_to_word_tokens(text)[1]:
        times += [result.alignment.times[position], result.alignment.times[position + len(part)]]
        position += len(part)
    return times


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("seed", [0, 3])
def test_words_begin_and_end_where_openai_whisper_says(seed: int, beam: int) -> None:
    model, mel = tiny(seed), windows(seed)
    results = decode(OpenAIWhisperBackend(model), mel, list(range(len(FRAMES))), beam)
    assert any(len(r.candidates[0].tokens) > 10 for r in results)
    for row, result in enumerate(results[:4]):
        expected = expected_times(model, mel[row], result, FRAMES[row])
        assert word_times(result, FRAMES[row]) == pytest.approx(expected, abs=0.021)


def test_a_window_is_aligned_alike_alone_and_in_a_batch() -> None:
    backend, mel = OpenAIWhisperBackend(tiny(3), padding_stride=4), windows(3)
    together = decode(backend, mel, [0, 1, 2, 3, 4])
    for row, result in enumerate(together):
        (alone,) = decode(backend, mel, [row])
        assert alone.candidates[0].tokens == result.candidates[0].tokens
        assert result.alignment.times == pytest.approx(alone.alignment.times, abs=0.021)


@pytest.mark.parametrize("packed", [None, "float32"])
def test_transformers_attention_is_the_same(packed: object) -> None:
    model, mel = tiny(3), windows(3)
    hub = TransformersWhisperBackend(as_hub(model), "tiny", packed)  # type: ignore[arg-type]
    rows = [0, 1, 2, 3]
    for mine, its in zip(decode(OpenAIWhisperBackend(model), mel, rows), decode(hub, mel, rows), strict=True):
        assert mine.candidates[0].tokens == its.candidates[0].tokens
        assert its.alignment.times == pytest.approx(mine.alignment.times, abs=0.021)


def test_windows_without_text_are_aligned_without_the_model() -> None:
    silent = Candidate((), 0.0, (), (), TOKENIZER.eot, 0.0)
    aligned = align(
        lambda _: pytest.fail("read nothing"), [silent] * 2, PROMPTS[:2], [3000, 5], TOKENIZER, 64
    )
    assert aligned == [TokenAlignment((0.0,), ())] * 2


def test_a_start_sequence_leaves_the_text_before_and_no_timestamps_out() -> None:
    start = list(TOKENIZER.sot_sequence)
    for tail in ([], [TOKENIZER.no_timestamps]):
        assert start_sequence([TOKENIZER.sot_prev, 5, 6, *start, *tail], TOKENIZER) == start
