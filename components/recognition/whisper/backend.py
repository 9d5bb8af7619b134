"""What a backend does for the recogniser: encode windows, name their language, search their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.tokenizer import Tokenizer, get_tokenizer

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.whisper import WhisperDecoder, WhisperTokenScorer, vocabulary_of
from components.decoding.scorers import Vocabulary
from components.decoding.search import search
from components.kernels import Arithmetic
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.features import WINDOW_FRAMES
from components.recognition.whisper.logits_processors import whisper_logits_processors


@dataclass(frozen=True)
class ModelDimensions:
    """Of a model: mel bands, decoder positions, output size; and whether it names languages."""

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
        """The tokenizer whose start-of-transcript sequence says language and task."""
        return get_tokenizer(
            self.is_multilingual, num_languages=self.num_languages, language=language, task=task
        )


@dataclass(frozen=True)
class DecodingResult:
    """Of one window: its candidates, best first, and its no-speech probability."""

    candidates: list[Candidate]
    no_speech: float


class EncodedWindows(Protocol):
    """The encoder's output of N windows: for the engine that made it to read, whole or some rows of it."""

    def __getitem__(self, rows: list[int], /) -> Any:
        """Those of the windows ``rows``."""
        ...


class WhisperBackend(Protocol):
    """A backend: what it encodes, it decodes."""

    dims: ModelDimensions

    def encode(self, mels: Tensor) -> EncodedWindows:
        """Log-mel (N, n_mels, 3000) -> features of N windows."""
        ...

    def detect_languages(self, features: Any) -> list[str]:
        """The most probable language code of each window."""
        ...

    def decode(
        self, features: Any, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[DecodingResult]:
        """Search N windows whose ``prompts`` (N, P) have one length; ``keys`` tell random streams apart."""
        ...


@dataclass(frozen=True)
class EncoderOutput:
    """Encoded windows: ``states`` (N, T, d), and ``counts`` (N, T) as :class:`WhisperTokenScorer` reads them."""

    states: Tensor
    counts: Tensor | None = None

    def __getitem__(self, rows: list[int], /) -> EncoderOutput:
        return EncoderOutput(self.states[rows], None if self.counts is None else self.counts[rows])

    def __len__(self) -> int:
        return len(self.states)


class OpenAIWhisperBackend:
    """openai-whisper's model with packed weights and our search.

    ``padding_stride``: every how many positions of a whole window's padding one is computed.
    """

    def __init__(
        self,
        model: Whisper,
        arithmetic: Arithmetic = "float32",
        window_frames: int = WINDOW_FRAMES,
        padding_stride: int = 1,
    ) -> None:
        dims = model.dims
        self._window, self._stride = window_frames, padding_stride
        self.dims = ModelDimensions(dims.n_mels, dims.n_text_ctx, dims.n_vocab)
        self._encoder = WhisperEncoder(model, arithmetic)
        self._decoder = WhisperDecoder(model, arithmetic)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes."""
        return vocabulary_of(self.dims.get_tokenizer(None, "transcribe"), self.dims.n_vocab)

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> EncoderOutput:
        """See :class:`WhisperBackend`. Zeros at the end of all windows are cut off down to the engine's window."""
        if self._window < WINDOW_FRAMES:
            used = int(mels.any(1).any(0).nonzero().max()) + 1 if bool(mels.any()) else 1
            return EncoderOutput(self._encoder(mels[:, :, : max(self._window, used + used % 2)]))
        if self._stride > 1:
            return EncoderOutput(*self._encoder.encode_with_summarized_padding(mels, self._stride))
        return EncoderOutput(self._encoder(mels))

    @torch.inference_mode()
    def detect_languages(self, features: EncoderOutput) -> list[str]:
        """See :class:`WhisperBackend`."""
        codes = self.dims.get_tokenizer(None, "transcribe").all_language_codes
        return [codes[i] for i in self.score_languages(features).argmax(-1).tolist()]

    @torch.inference_mode()
    def score_languages(self, features: EncoderOutput) -> Tensor:
        """Scores (N, L) of the languages that it knows, in the tokenizer's order."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot)
        return self.build_scorer(features, prompts).prefill()[:, list(tokenizer.all_language_tokens)]

    @torch.inference_mode()
    def build_scorer(self, features: EncoderOutput, prompts: Tensor) -> WhisperTokenScorer:
        """The decoder over N windows with their ``prompts`` (N, P), ready to be searched."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        cross = self._decoder.cross_attention_states(features.states)
        counts = None if features.counts is None else features.counts.clone()  # the search moves its rows
        return WhisperTokenScorer(self._decoder, tokenizer, cross, prompts.to(features.states.device), counts)

    @torch.inference_mode()
    def decode(
        self,
        features: EncoderOutput,
        prompts: Tensor,
        config: SearchConfig,
        timestamps: bool,
        keys: Sequence[int],
    ) -> list[DecodingResult]:
        """See :class:`WhisperBackend`."""
        scorer = self.build_scorer(features, prompts)
        processors = whisper_logits_processors(
            self.dims.get_tokenizer(None, "transcribe"), self.dims.n_vocab, timestamps
        )
        candidates = search([scorer], config, logits_processors=processors, keys=keys)
        return [DecodingResult(c, p) for c, p in zip(candidates, scorer.no_speech.tolist(), strict=True)]
