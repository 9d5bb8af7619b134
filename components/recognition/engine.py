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
from components.decoding.members import Vocabulary
from components.decoding.search import search
from components.decoding.whisper import WhisperDecoder, WhisperMember
from components.decoding.whisper_vocabulary import vocabulary_of
from components.kernels import Arithmetic
from components.recognition.encoder import WhisperEncoder
from components.recognition.features import WINDOW_FRAMES
from components.recognition.rules import whisper_rules


@dataclass(frozen=True)
class Shape:
    """Of a model: mel bands, decoder positions, output size; and whether it names languages."""

    n_mels: int
    context: int
    size: int

    @property
    def multilingual(self) -> bool:
        """English-only models have a smaller vocabulary and no language tokens."""
        return self.size >= 51865

    @property
    def languages(self) -> int:
        """How many languages the model knows."""
        return self.size - 51765 - int(self.multilingual)

    def tokenizer(self, language: str | None, task: str) -> Tokenizer:
        """The tokenizer whose start-of-transcript sequence says language and task."""
        return get_tokenizer(self.multilingual, num_languages=self.languages, language=language, task=task)


@dataclass(frozen=True)
class Heard:
    """Of one window: its candidates, best first, and its no-speech probability."""

    candidates: list[Candidate]
    no_speech: float


class Features(Protocol):
    """The encoder's output of N windows: for the engine that made it to read, whole or some rows of it."""

    def __getitem__(self, rows: list[int], /) -> Any:
        """Those of the windows ``rows``."""
        ...


class Engine(Protocol):
    """A backend: what it encodes, it decodes."""

    shape: Shape

    def encode(self, mels: Tensor) -> Features:
        """Log-mel (N, n_mels, 3000) -> features of N windows."""
        ...

    def languages(self, features: Any) -> list[str]:
        """The most probable language code of each window."""
        ...

    def decode(
        self, features: Any, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[Heard]:
        """Search N windows whose ``prompts`` (N, P) have one length; ``keys`` tell random streams apart."""
        ...


@dataclass(frozen=True)
class Sound:
    """Encoded windows: ``states`` (N, T, d), and ``counts`` (N, T) as :class:`WhisperMember` reads them."""

    states: Tensor
    counts: Tensor | None = None

    def __getitem__(self, rows: list[int], /) -> Sound:
        return Sound(self.states[rows], None if self.counts is None else self.counts[rows])

    def __len__(self) -> int:
        return len(self.states)


class WhisperEngine:
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
        self.shape = Shape(dims.n_mels, dims.n_text_ctx, dims.n_vocab)
        self._encoder = WhisperEncoder(model, arithmetic)
        self._decoder = WhisperDecoder(model, arithmetic)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes."""
        return vocabulary_of(self.shape.tokenizer(None, "transcribe"), self.shape.size)

    @torch.inference_mode()
    def encode(self, mels: Tensor) -> Sound:
        """See :class:`Engine`. Zeros at the end of all windows are cut off down to the engine's window."""
        if self._window < WINDOW_FRAMES:
            used = int(mels.any(1).any(0).nonzero().max()) + 1 if bool(mels.any()) else 1
            return Sound(self._encoder(mels[:, :, : max(self._window, used + used % 2)]))
        if self._stride > 1:
            return Sound(*self._encoder.summarised(mels, self._stride))
        return Sound(self._encoder(mels))

    @torch.inference_mode()
    def languages(self, features: Sound) -> list[str]:
        """See :class:`Engine`."""
        codes = self.shape.tokenizer(None, "transcribe").all_language_codes
        return [codes[i] for i in self.language_scores(features).argmax(-1).tolist()]

    @torch.inference_mode()
    def language_scores(self, features: Sound) -> Tensor:
        """Scores (N, L) of the languages that it knows, in the tokenizer's order."""
        tokenizer = self.shape.tokenizer(None, "transcribe")
        prompts = torch.full((len(features), 1), tokenizer.sot)
        return self.member(features, prompts).begin()[:, list(tokenizer.all_language_tokens)]

    @torch.inference_mode()
    def member(self, features: Sound, prompts: Tensor) -> WhisperMember:
        """The decoder over N windows with their ``prompts`` (N, P), ready to be searched."""
        tokenizer = self.shape.tokenizer(None, "transcribe")
        cross = self._decoder.cross(features.states)
        counts = None if features.counts is None else features.counts.clone()  # the search moves its rows
        return WhisperMember(self._decoder, tokenizer, cross, prompts.to(features.states.device), counts)

    @torch.inference_mode()
    def decode(
        self, features: Sound, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[Heard]:
        """See :class:`Engine`."""
        member = self.member(features, prompts)
        rules = whisper_rules(self.shape.tokenizer(None, "transcribe"), self.shape.size, timestamps)
        found = search([member], config, rules=rules, keys=keys)
        return [Heard(c, p) for c, p in zip(found, member.no_speech.tolist(), strict=True)]
