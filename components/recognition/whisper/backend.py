"""What the recognizer asks of a Whisper model: encode windows, detect their language, search their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from components.compute.openai_whisper import Tokenizer, get_tokenizer
from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import UNGUIDED, Guidance
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.recognition.whisper.logits_processors import whisper_logits_processors


@dataclass(frozen=True)
class ModelDimensions:
    """Sizes of a Whisper model, in openai-whisper's names.

    Attributes:
        n_mels: Mel bands of the features.
        n_text_ctx: positions of the decoder, prompt included.
        n_vocab: width of the decoder's output.
    """

    n_mels: int
    n_text_ctx: int
    n_vocab: int

    @property
    def is_multilingual(self) -> bool:
        """English-only models have a smaller vocabulary and no language tokens."""
        return self.n_vocab >= 51865

    @property
    def num_languages(self) -> int:
        """How many languages the model knows."""
        return self.n_vocab - 51765 - int(self.is_multilingual)

    def get_tokenizer(self, language: str | None, task: str) -> Tokenizer:
        """Return the tokenizer whose start sequence names ``language`` (a code, None: none) and ``task``."""
        return get_tokenizer(
            self.is_multilingual, num_languages=self.num_languages, language=language, task=task
        )


class DetectedLanguage(NamedTuple):
    """The likeliest language of a window: Whisper's code, and its probability among all that it knows."""

    code: str
    probability: float


@dataclass(frozen=True)
class TokenAlignment:
    """When the n text tokens of a window are said: those of its segments, without timestamps.

    Attributes:
        times: seconds from the start of the window at which each token begins, and at which the last one
            ends: n + 1 numbers that do not fall.
        log_probs: log-probability of each token in nats, n numbers.
        attended: seconds from the start of the window that each token attended to most when it was written, n
            numbers; none where the library does not say.
    """

    times: tuple[float, ...]
    log_probs: tuple[float, ...]
    attended: tuple[float, ...] = ()


@dataclass(frozen=True)
class DecodingRequest:
    """What is asked of the search of N windows.

    Attributes:
        prompts: start sequences, with the text before where there is one: token ids (N, P).
        config: the search.
        timestamps: whether timestamps are decoded with the text.
        keys: one number per window that tells its random samples from those of the others.
        frames: frames (10 ms) of audio in each window, where the best texts are to be aligned to it.
        guidance: what guides the search beside the model.
    """

    prompts: Tensor
    config: SearchConfig
    timestamps: bool
    keys: Sequence[int]
    frames: Sequence[int] | None = None
    guidance: Guidance = UNGUIDED

    def search(
        self, scorers: Sequence[TokenScorer], dims: ModelDimensions, combiner: Combiner | None = None
    ) -> list[list[Candidate]]:
        """Return the texts of the windows that the scorers were prepared for, each as tokens, best first."""
        tokenizer = dims.get_tokenizer(None, "transcribe")
        return search(
            scorers,
            self.config,
            logits_processors=whisper_logits_processors(tokenizer, self.timestamps),
            combiner=combiner,
            keys=self.keys,
            guidance=self.guidance,
        )


@dataclass(frozen=True)
class DecodingResult:
    """What the search of one window returns.

    Attributes:
        candidates: its texts as tokens, best first.
        no_speech: probability that nothing is said in it, 0 to 1.
        alignment: of the best candidate, where it was asked for.
    """

    candidates: list[Candidate]
    no_speech: float
    alignment: TokenAlignment | None = None


def likeliest_languages(scores: Tensor, codes: Sequence[str]) -> list[DetectedLanguage]:
    """Return the likeliest language of each row of scores (N, L): log-probabilities up to a constant."""
    best = scores.float().softmax(-1).max(-1)
    return [
        DetectedLanguage(codes[index], probability)
        for index, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


class EncodedWindows(Protocol):
    """Encoder output of N windows, read by the backend that made it; indexable by row."""

    def __getitem__(self, rows: list[int], /) -> Any:
        """Return those windows, in that order."""


class WhisperBackend(Protocol):
    """A Whisper model in some library: encodes windows of audio and decodes their text."""

    dims: ModelDimensions

    @property
    def device(self) -> torch.device:
        """Where :meth:`encode` takes features from."""

    def encode(self, mels: Tensor) -> EncodedWindows:
        """Log-mel (N, n_mels, 3000) -> encoder output of N windows."""

    def detect_languages(self, features: Any) -> list[DetectedLanguage]:
        """Return the most probable language of each window."""

    def decode(self, features: Any, request: DecodingRequest) -> list[DecodingResult]:
        """Search the text of N windows: ``features`` is what :meth:`encode` returned, or rows of it."""
