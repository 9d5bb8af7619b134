"""A recognizer over a backend that returns what the test wrote, and recordings of noise on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from components import audio
from components.decoding.candidates import Candidate
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    ModelDimensions,
)
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.records import Checkpoint, Utterance

CHECKPOINT = Checkpoint(reference="test", path="/nowhere", sha256="0" * 64, architecture="whisper")
DIMS = ModelDimensions(80, 448, 51865)
TOKENIZER = DIMS.get_tokenizer("en", "transcribe")
STAMP = TOKENIZER.timestamp_begin


def scripted_result(
    text: str,
    log_prob: float = -0.2,
    no_speech: float = 0.0,
    *,
    goes_on: bool = False,
    tokens: tuple[int, ...] = (),
) -> DecodingResult:
    """A text of one second, or ``tokens``; where it goes on, another segment begins at its end."""
    tokens = tokens or (STAMP, *TOKENIZER.encode(text), STAMP + 50, *([STAMP + 50] if goes_on else []))
    log_probs = (log_prob,) * (len(tokens) + 1)
    return DecodingResult(
        [Candidate(tokens, sum(log_probs), log_probs, (), TOKENIZER.eot, log_prob)], no_speech
    )


class Scripted:
    """Answers by temperature, or one by one with ``answers``; remembers the calls.

    The features are the mean of each window's mel.
    """

    def __init__(self, script: dict[float, DecodingResult]) -> None:
        self.dims, self.device = DIMS, torch.device("cpu")
        self.script = script
        self.calls: list[tuple[float, list[list[int]], list[int]]] = []
        self.batches: list[int] = []
        self.frames: list[Sequence[int] | None] = []
        self.answers: list[DecodingResult] = []

    def encode(self, mels: Tensor) -> Tensor:
        self.batches.append(len(mels))
        return mels.mean((1, 2), keepdim=True)

    def detect_languages(self, features: Tensor) -> list[DetectedLanguage]:
        return [DetectedLanguage("de", 0.75)] * len(features)

    def decode(self, features: Tensor, request: DecodingRequest) -> list[DecodingResult]:
        assert len(features) == len(request.prompts) == len(request.keys)
        self.frames.append(request.frames)
        self.calls.append((request.config.temperature, request.prompts.tolist(), list(request.keys)))
        if self.answers:
            return [self.answers.pop(0) for _ in request.keys]
        return [self.script.get(request.config.temperature, scripted_result(" Hello."))] * len(
            request.prompts
        )


def utterance(folder: Path, name: str, seconds: float, language: str = "en", level: float = 0.1) -> Utterance:
    path = folder / f"{name}.flac"
    if not path.exists():
        rng = np.random.default_rng(len(name))
        soundfile.write(path, rng.normal(0, level, int(seconds * 16000)).clip(-1, 1), 16000)
    return Utterance(id=name, audio=audio.describe(path), source_language=language)


def scripted_recognizer(
    script: dict[float, DecodingResult] | None = None, **settings: object
) -> tuple[WhisperRecognizer, Scripted]:
    backend = Scripted(script or {})
    return WhisperRecognizer(RecognitionConfig.model_validate(settings), backend, CHECKPOINT), backend
