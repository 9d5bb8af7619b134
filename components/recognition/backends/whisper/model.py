"""The ``whisper`` backend: openai-whisper's model with packed weights under our batched search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.compute.layers.folded_mask import prefers_folding
from components.compute.layers.kernels import Arithmetic
from components.compute.openai_whisper import Whisper
from components.decoding.candidates import Candidate
from components.decoding.models.on_device import ON_DEVICE
from components.decoding.models.whisper import WhisperTokenScorer, vocabulary_of
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.scorers import Vocabulary
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.backends.arithmetic import choose_arithmetic
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    ModelDimensions,
    TokenAlignment,
    likeliest_languages,
)
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND, WINDOW_FRAMES
from components.recognition.whisper.word_timer import find_word_timer
from components.records import Checkpoint


@dataclass(frozen=True)
class EncoderOutput:
    """Encoded windows.

    Attributes:
        states: the encoder's states, (N, T, d).
        counts: logarithms (N, T) of how many positions each state stands for; None where each is one.
    """

    states: Tensor
    counts: Tensor | None = None

    def __getitem__(self, rows: list[int], /) -> EncoderOutput:
        return EncoderOutput(self.states[rows], None if self.counts is None else self.counts[rows])

    def __len__(self) -> int:
        return len(self.states)


class OpenAIWhisperBackend:
    """openai-whisper's model with packed weights and our search.

    Args:
        model: the model, on its device, in the type it computes in.
        arithmetic: in which the packed linear layers compute.
        window_frames: frames (10 ms) below which windows are not padded: Whisper's own window is 3,000.
        padding_stride: of a whole window's padding every n-th position is encoded.
        weights: digest of the model; see :class:`WhisperEncoder`.
    """

    def __init__(
        self,
        model: Whisper,
        arithmetic: Arithmetic = "float32",
        window_frames: int = WINDOW_FRAMES,
        padding_stride: int = 1,
        weights: str = "",
    ) -> None:
        dims = model.dims
        self._window, self._stride = window_frames, padding_stride
        self.dims = ModelDimensions(dims.n_mels, dims.n_text_ctx, dims.n_vocab)
        self._encoder = WhisperEncoder(model, arithmetic, weights)
        self._decoder = WhisperDecoder(model, arithmetic)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes."""
        return vocabulary_of(self.dims.get_tokenizer(None, "transcribe"), self.dims.n_vocab)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._encoder.device

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> EncoderOutput:
        """See :class:`WhisperBackend`."""
        if self._window < WINDOW_FRAMES:
            return EncoderOutput(*self._encoder.encode_without_padding(mels, self._window))
        if self._stride > 1:
            return EncoderOutput(*self._encoder.encode_with_summarized_padding(mels, self._stride))
        return EncoderOutput(self._encoder(mels))

    @torch.inference_mode()
    def detect_languages(self, features: EncoderOutput) -> list[DetectedLanguage]:
        """See :class:`WhisperBackend`."""
        codes = self.dims.get_tokenizer(None, "transcribe").all_language_codes
        return likeliest_languages(self.score_languages(features), codes)

    @torch.inference_mode()
    def score_languages(self, features: EncoderOutput) -> Tensor:
        """Return scores (N, L) of the languages that it knows, in the tokenizer's order."""
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot)
        return self.build_scorer(features, prompts).prefill()[:, list(tokenizer.all_language_tokens)]

    @torch.inference_mode()
    def build_scorer(
        self, features: EncoderOutput, prompts: Tensor, keeps_windows: bool = False
    ) -> WhisperTokenScorer:
        """Return the decoder over N windows with their ``prompts`` (N, P), ready to be searched.

        With ``keeps_windows`` their texts can be aligned afterwards.
        """
        tokenizer = self.dims.get_tokenizer(None, "transcribe")
        counts = features.counts
        if counts is not None and prefers_folding(features.states):
            cross, counts = self._decoder.cross_attention_states(features.states, counts), None
        else:
            cross = self._decoder.cross_attention_states(features.states)
            counts = None if counts is None else counts.clone()  # the search moves its rows
        prompts = prompts.to(features.states.device)
        kind = WhisperTokenScorer
        if prompts.device.type != "cpu":
            kind = ON_DEVICE.get("whisper_scorer", kind)
        return kind(self._decoder, tokenizer, cross, prompts, counts, keeps_windows)

    @torch.inference_mode()
    def align(
        self,
        scorer: WhisperTokenScorer,
        nbests: Sequence[Sequence[Candidate]],
        prompts: Tensor,
        frames: Sequence[int],
    ) -> list[TokenAlignment]:
        """Align the best text of each window that ``scorer`` has searched and kept.

        Args:
            scorer: from :meth:`build_scorer`.
            nbests: what the search returned.
            prompts: what it began with, (N, P).
            frames: frames (10 ms) of audio in each window.
        """
        tokenizer, timer = self.dims.get_tokenizer(None, "transcribe"), find_word_timer()

        def read(texts: Tensor) -> Iterator[Tensor]:
            return timer.read_attention(self._decoder, texts, *scorer.windows())

        best = [candidates[0] for candidates in nbests]
        return timer.align(read, best, prompts, frames, tokenizer, self.dims.n_text_ctx)

    @torch.inference_mode()
    def decode(self, features: EncoderOutput, request: DecodingRequest) -> list[DecodingResult]:
        """See :class:`WhisperBackend`."""
        scorer = self.build_scorer(features, request.prompts, keeps_windows=request.frames is not None)
        nbests = request.search([scorer], self.dims)
        alignments: Sequence[TokenAlignment | None] = [None] * len(nbests)
        if request.frames is not None:
            alignments = self.align(scorer, nbests, request.prompts, request.frames)
        return list(map(DecodingResult, nbests, scorer.no_speech.tolist(), alignments))


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> OpenAIWhisperBackend:
    """Return the model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
    packed, dtype = choose_arithmetic(config, device)
    frames = 2 * round(config.window_seconds * FRAMES_PER_SECOND / 2)
    model = load_whisper(checkpoint, device, dtype)
    return OpenAIWhisperBackend(
        model, packed or "float32", frames, config.padding_stride, weights=checkpoint.sha256
    )
