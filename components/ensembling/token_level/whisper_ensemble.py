"""Whisper recognisers of one vocabulary as one: their distributions are mixed at every token of every window.

Recognisers of different vocabularies (an English-only beside a multilingual Whisper, pocketsphinx) are pooled
by their finished transcripts instead: :mod:`components.ensembling.output_level.system_combination`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.search import search
from components.ensembling.token_level.combiners import COMBINATIONS
from components.ensembling.token_level.translator import ensemble_checkpoint, number_duplicates
from components.errors import ConfigError
from components.models import resolve
from components.recognition.backends.openai_whisper import EncoderOutput, OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.factory import load_resident
from components.recognition.whisper.backend import DecodingResult
from components.recognition.whisper.logits_processors import whisper_logits_processors
from components.recognition.whisper.recognizer import WhisperRecognizer

Combination = Literal["linear", "log_linear"]


class RecognizerEnsembleConfig(RecognitionConfig):
    """Everything that makes an ensemble of recognisers: the search, the members in order, the mixing."""

    members: tuple[str, ...] = Field(min_length=1)
    combination: Combination = "linear"
    coefficients: tuple[float, ...] = ()


@dataclass(frozen=True)
class EnsembleEncoderOutput:
    """What each member made of the windows."""

    parts: tuple[EncoderOutput, ...]

    def __getitem__(self, rows: list[int], /) -> EnsembleEncoderOutput:
        return EnsembleEncoderOutput(tuple(part[rows] for part in self.parts))


class WhisperEnsemble:
    """An :class:`~components.recognition.whisper.backend.WhisperBackend` of several, by name.

    ``coefficients`` are equal where none are given. Members whose coefficient is 0 are never called. The
    no-speech probability is the weighted mean of the others'.
    ConfigError where the members do not share a vocabulary or the coefficients do not fit.
    """

    def __init__(
        self,
        backends: Mapping[str, OpenAIWhisperBackend],
        combination: Combination,
        coefficients: Sequence[float] = (),
    ) -> None:
        _require_one_vocabulary(backends)
        weights = tuple(coefficients) or (1 / len(backends),) * len(backends)
        active = COMBINATIONS[combination](weights).active_members(len(backends))
        self.names = tuple(list(backends)[index] for index in active)
        self._backends = [backends[name] for name in self.names]
        self._combine = COMBINATIONS[combination]([weights[place] for place in active])
        share = torch.tensor([abs(weights[place]) for place in active])
        self._share = share / share.sum()
        self.dims = self._backends[0].dims

    def encode(self, mels: Tensor) -> EnsembleEncoderOutput:
        """See :class:`Engine`."""
        return EnsembleEncoderOutput(tuple(backend.encode(mels) for backend in self._backends))

    def _backends_with_features(
        self, features: EnsembleEncoderOutput
    ) -> list[tuple[OpenAIWhisperBackend, EncoderOutput]]:
        return list(zip(self._backends, features.parts, strict=True))

    @torch.inference_mode()
    def detect_languages(self, features: EnsembleEncoderOutput) -> list[str]:
        """See :class:`Engine`: of the members' distributions over languages, mixed as their words are."""
        scores = [backend.score_languages(part) for backend, part in self._backends_with_features(features)]
        mixed = self._combine(scores, self._combine.constant_weights()).log_probs
        codes = self.dims.get_tokenizer(None, "transcribe").all_language_codes
        return [codes[i] for i in mixed.argmax(-1).tolist()]

    @torch.inference_mode()
    def decode(
        self,
        features: EnsembleEncoderOutput,
        prompts: Tensor,
        config: SearchConfig,
        timestamps: bool,
        keys: Sequence[int],
    ) -> list[DecodingResult]:
        """See :class:`Engine`."""
        scorers = [
            backend.build_scorer(part, prompts) for backend, part in self._backends_with_features(features)
        ]
        processors = whisper_logits_processors(
            self.dims.get_tokenizer(None, "transcribe"), self.dims.n_vocab, timestamps
        )
        nbests = search(scorers, config, logits_processors=processors, combiner=self._combine, keys=keys)
        no_speech_probs = self._share @ torch.stack([scorer.no_speech for scorer in scorers])
        return [DecodingResult(c, p) for c, p in zip(nbests, no_speech_probs.tolist(), strict=True)]


def _require_one_vocabulary(backends: Mapping[str, OpenAIWhisperBackend]) -> None:
    (first, backend), *others = backends.items()
    vocabulary = backend.vocabulary
    for name, other in others:
        if other.vocabulary != vocabulary:
            raise ConfigError(
                f"expected recognisers of one vocabulary to mix token by token, found {name} "
                f"({other.vocabulary.size} tokens) beside {first} ({vocabulary.size}): pool their finished "
                "transcripts instead (combination: pooled, or kind combine), or choose models of one kind"
            )


def explain_backend(config: RecognizerEnsembleConfig) -> str:
    """Why recognizers of another backend are not mixed token by token."""
    return (
        f"combination: expected backend whisper to mix recognizers token by token, found {config.backend}: "
        "combine their finished transcripts (combination: pooled, or a node of kind combine)"
    )


def build_recognizer(
    config: RecognizerEnsembleConfig, store: str | None = None, seed: int = 0
) -> WhisperRecognizer:
    """The recogniser whose members are ``config.members``; models stay resident. ConfigError, ModelError."""
    if config.backend != "whisper":
        raise ConfigError(explain_backend(config))
    checkpoints = [resolve(name, store) for name in config.members]
    loaded = [load_resident(checkpoint, config) for checkpoint in checkpoints]
    backends = dict(zip(number_duplicates(config.members), loaded, strict=True))
    backend = WhisperEnsemble(backends, config.combination, config.coefficients)
    return WhisperRecognizer(
        config, backend, ensemble_checkpoint(checkpoints), seed=seed, members=backend.names
    )
