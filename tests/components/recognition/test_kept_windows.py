"""A recognition that was interrupted goes on behind the last kept window, to the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from components.audio import Samples
from components.compute.batch_sizes import ItemTooLargeError
from components.decoding.ctc.forward import LogProbs
from components.errors import RecordError
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.ctc.decoder import CtcDecoder, CtcVocabulary
from components.recognition.recognizer import Recognizer
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import Hypotheses, NBestDecoder
from components.recognition.windowed.recognizer import WindowRecognizer
from components.records import Token, Utterance
from components.storage.stages.window_journal import keep_windows
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import CHECKPOINT, utterance

SETTINGS = {"beam_size": 2, "n_best": 2, "max_tokens": 8, "batch_size": 2, "vad": False}


class Counted:
    """Batches of windows that were decoded; the process is killed at the one numbered ``last``, from 0."""

    def __init__(self) -> None:
        self.batches, self.last = 0, -1

    def count(self) -> None:
        if self.batches == self.last:
            raise KeyboardInterrupt
        self.batches += 1


class CountedWhisper(OpenAIWhisperBackend):
    """A tiny random Whisper that detects languages, and falls back to sampling."""

    counted: Counted

    def encode(self, mels: object) -> object:  # type: ignore[override]
        self.counted.count()
        return super().encode(mels)  # type: ignore[arg-type]


class Meter(NBestDecoder):
    """Writes what a window of sound measures; numbers of numpy among it."""

    max_seconds = 1.0

    def __init__(self, counted: Counted) -> None:
        self.counted = counted

    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        self.counted.count()
        return [[self._hear(window, share) for share in (1.0, 1 / 3)] for window in windows]

    def _hear(self, window: Window, share: float) -> WindowHypothesis:
        level = np.float32(np.abs(window.samples).mean() * share)
        return WindowHypothesis(f"{level:.4f}", -level, -level, (Token(piece="a", log_prob=-level),))


def whisper(counted: Counted) -> Recognizer:
    fallback = {"condition_on_previous_text": True, "temperature_fallback": (0.0, 0.6), "entropies": True}
    backend = CountedWhisper(tiny())
    backend.counted = counted
    return WhisperRecognizer(RecognitionConfig.model_validate(SETTINGS | fallback), backend, CHECKPOINT)


def windowed(counted: Counted) -> Recognizer:
    return WindowRecognizer(RecognitionConfig.model_validate(SETTINGS), Meter(counted), CHECKPOINT)


class Levels:
    """A CTC model of two letters, by how loud a frame is."""

    vocabulary, language = CtcVocabulary(0, ("", "a", " b")), None

    def score_frames(self, samples: Samples) -> LogProbs:
        frames = np.abs(samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)).mean(1)
        logits = np.stack([np.full_like(frames, 0.1), frames, 1 / (1 + frames)], axis=1).astype(np.float64)
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self.vocabulary.pieces[token] for token in tokens).strip()


def ctc(counted: Counted) -> Recognizer:
    class CountedCtc(CtcDecoder):
        max_seconds = 15.0

        def decode(self, windows: Sequence[Window]) -> list[Hypotheses | RecordError]:
            counted.count()
            return super().decode(windows)

    config = RecognitionConfig.model_validate(SETTINGS | {"word_times": True})
    return WindowRecognizer(config, CountedCtc(Levels(), "levels", config), CHECKPOINT)


def recognized(
    make: Callable[[Counted], Recognizer], items: list[Utterance], journal: Path, last: int = -1
) -> tuple[list[str], int]:
    """The outcomes as a new process stores them, and how many batches it decoded."""
    counted = Counted()
    counted.last = last
    with keep_windows(journal):
        outcomes = make(counted).recognize(items)
    return [outcome.model_dump_json() for outcome in outcomes], counted.batches


@pytest.fixture
def items(tmp_path: Path) -> list[Utterance]:
    """A long recording between short ones, of languages that are known or not."""
    lengths = {"short": 1.5, "talk": 62.0, "other": 31.0}
    return [utterance(tmp_path, name, seconds, language="und") for name, seconds in lengths.items()]


@pytest.fixture(params=[whisper, windowed, ctc])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[Counted], Recognizer]]:
    yield request.param


def test_an_interrupted_recognition_goes_on_behind_the_last_window_to_the_same_bytes(
    make: Callable[[Counted], Recognizer], items: list[Utterance], tmp_path: Path
) -> None:
    expected, n = recognized(make, items, tmp_path / "whole" / "journal")
    assert n > 3
    for killed in (1, n - 1):
        journal = tmp_path / f"{killed}" / "journal"
        with pytest.raises(KeyboardInterrupt):
            recognized(make, items, journal, last=killed)
        assert recognized(make, items, journal) == (expected, n - killed)
        assert recognized(make, items, journal) == (expected, 0)


def test_a_window_whose_line_is_damaged_or_torn_is_decoded_again(
    make: Callable[[Counted], Recognizer], items: list[Utterance], tmp_path: Path
) -> None:
    journal = tmp_path / "windows" / "journal"
    expected, _ = recognized(make, items, journal)
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0].replace(b"0", b"1", 1), *lines[1:-1], lines[-1][:-7]]))
    assert recognized(make, items, journal) == (expected, 2)
    assert recognized(make, items, journal) == (expected, 0)


def test_a_window_that_fails_is_tried_again(items: list[Utterance], tmp_path: Path) -> None:
    class Full(Meter):
        def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
            if any(len(window.samples) < 16_000 for window in windows):  # those of the shortest
                raise ItemTooLargeError("too little memory")
            return super().decode(windows)

    def full(counted: Counted) -> Recognizer:
        return WindowRecognizer(RecognitionConfig.model_validate(SETTINGS), Full(counted), CHECKPOINT)

    journal = tmp_path / "windows" / "journal"
    expected, _ = recognized(windowed, items, tmp_path / "whole" / "journal")
    assert recognized(full, items, journal)[0] != expected
    assert recognized(windowed, items, journal)[0] == expected


def test_a_folder_that_cannot_be_written_costs_what_was_kept_alone(
    items: list[Utterance], tmp_path: Path
) -> None:
    expected, _ = recognized(windowed, items, tmp_path / "whole" / "journal")
    assert recognized(windowed, items, tmp_path / "no" / "stage" / "journal")[0] == expected


def test_what_is_no_result_is_not_kept(tmp_path: Path, items: list[Utterance]) -> None:
    """A score of NaN was kept as null, and every later attempt failed on it, also of a decoder put right."""

    class Wrong(Meter):
        def _hear(self, window: Window, share: float) -> WindowHypothesis:
            return WindowHypothesis("a", float("nan"), 0.0)

    journal, config = tmp_path / "journal", RecognitionConfig.model_validate(SETTINGS)
    with keep_windows(journal), pytest.raises(ValidationError):
        WindowRecognizer(config, Wrong(Counted()), CHECKPOINT).recognize(items)
    assert not journal.exists()
