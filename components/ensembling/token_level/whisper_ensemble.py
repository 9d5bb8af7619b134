"""Several recognizers of one vocabulary as one: their distributions are mixed at every token.

Whisper models are one backend of its windows; the encoder-decoders of the backend ``seq2seq`` are one search.

Recognizers of different vocabularies (an English-only beside a multilingual Whisper, pocketsphinx) are
combined by their finished transcripts instead: :mod:`components.ensembling.output_level.system_combination`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.decoding.member_settings import DROPOUT_PREFIX, Combination
from components.ensembling.token_level.combiners import COMBINATIONS
from components.ensembling.token_level.translator import ensemble_checkpoint, number_duplicates
from components.ensembling.token_level.whisper_dropout import WhisperWithDropout
from components.errors import ConfigError
from components.models import resolve
from components.recognition.backend_choice import with_backend
from components.recognition.backends.seq2seq.decoder import SpeechSeq2SeqDecoder, search_config_of
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend
from components.recognition.config import RecognizerEnsembleConfig
from components.recognition.factory import add_draft, load_guides, load_resident
from components.recognition.recognizer import Recognizer
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    TokenAlignment,
    likeliest_languages,
)
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.recognition.windowed.recognizer import WindowRecognizer


@dataclass(frozen=True)
class EnsembleEncoderOutput:
    """The encoder outputs of the same windows, one per member."""

    parts: tuple[EncoderOutput, ...]

    def __getitem__(self, rows: list[int], /) -> EnsembleEncoderOutput:
        return EnsembleEncoderOutput(tuple(part[rows] for part in self.parts))


class WhisperEnsemble:
    """A :class:`~components.recognition.whisper.backend.WhisperBackend` made of several.

    Members whose coefficient is 0 are never run. The no-speech probability is the mean of the others',
    weighted by the size of their coefficients.

    Args:
        backends: the members by name.
        combination: linear or log_linear.
        coefficients: one per member; equal where none are given.

    Raises:
        ConfigError: the members do not share a vocabulary, or the coefficients do not fit.
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
        self._combiner = COMBINATIONS[combination]([weights[index] for index in active])
        share = torch.tensor([abs(weights[index]) for index in active])
        self._share = share / share.sum()
        self.dims, self.vocabulary = self._backends[0].dims, self._backends[0].vocabulary

    @property
    def device(self) -> torch.device:
        """Where the first member is."""
        return self._backends[0].device

    def encode(self, mels: Tensor) -> EnsembleEncoderOutput:
        """Run every member's encoder on the windows."""
        return EnsembleEncoderOutput(tuple(backend.encode(mels) for backend in self._backends))

    def _backends_with_features(
        self, features: EnsembleEncoderOutput
    ) -> list[tuple[OpenAIWhisperBackend, EncoderOutput]]:
        return list(zip(self._backends, features.parts, strict=True))

    @torch.inference_mode()
    def detect_languages(self, features: EnsembleEncoderOutput) -> list[DetectedLanguage]:
        """Return each window's likeliest language, by the members' mixed distributions over languages."""
        scores = [backend.score_languages(part) for backend, part in self._backends_with_features(features)]
        scores = [own.to(scores[0].device) for own in scores]
        log_probs = self._combiner(scores, self._combiner.constant_weights()).log_probs
        codes = self.dims.get_tokenizer(None, "transcribe").all_language_codes
        return likeliest_languages(log_probs, codes)

    @torch.inference_mode()
    def decode(self, features: EnsembleEncoderOutput, request: DecodingRequest) -> list[DecodingResult]:
        """Decode the windows with all members in one search; the first one that is run aligns the texts."""
        scorers = [
            backend.build_scorer(part, request.prompts, keeps_windows=request.frames is not None)
            for backend, part in self._backends_with_features(features)
        ]
        nbests = request.search(scorers, self.dims, self._combiner)
        no_speech_probs = self._share @ torch.stack([scorer.no_speech for scorer in scorers])
        alignments: Sequence[TokenAlignment | None] = [None] * len(nbests)
        if request.frames is not None:
            alignments = self._backends[0].align(scorers[0], nbests, request.prompts, request.frames)
        return list(map(DecodingResult, nbests, no_speech_probs.tolist(), alignments))


def _require_one_vocabulary(backends: Mapping[str, OpenAIWhisperBackend]) -> None:
    (first, backend), *others = backends.items()
    vocabulary = backend.vocabulary
    for name, other in others:
        if other.vocabulary != vocabulary:
            raise ConfigError(
                f"expected recognizers of one vocabulary to mix token by token, found {name} "
                f"({other.vocabulary.size} tokens) beside {first} ({vocabulary.size}): combine their "
                "finished transcripts instead (combination: output_level, or a node of kind combine), or "
                "choose models of one vocabulary"
            )


MIXED_BACKENDS = ("whisper", "seq2seq")
"""Backends whose models are mixed token by token."""


def with_first_backend(config: RecognizerEnsembleConfig, store: str | None) -> RecognizerEnsembleConfig:
    """Return the settings with the backend that reads the first member, unless one is set."""
    first = config.members[0].removeprefix(DROPOUT_PREFIX)
    return with_backend(config.model_copy(update={"model": first}), store)


def _with_dropout(
    config: RecognizerEnsembleConfig, loaded: Sequence[OpenAIWhisperBackend]
) -> list[OpenAIWhisperBackend]:
    """Return the members, those with dropout with masks of their own. ConfigError for other backends."""
    if config.backend != "whisper":
        raise ConfigError(f"dropout_members: expected backend whisper, found {config.backend}")
    return [
        WhisperWithDropout(backend, number, config.dropout_rate)
        if name.startswith(DROPOUT_PREFIX)
        else backend
        for number, (name, backend) in enumerate(zip(config.members, loaded, strict=True))
    ]


def explain_backend(backend: str) -> str:
    """Return the error message for recognizers of another backend, which are not mixed token by token."""
    return (
        f"combination: expected backend {' or '.join(MIXED_BACKENDS)} to mix recognizers token by token, "
        f"found {backend}: combine their finished transcripts (combination: output_level, or a node "
        "of kind combine)"
    )


def build_recognizer(config: RecognizerEnsembleConfig, store: str | None = None, seed: int = 0) -> Recognizer:
    """Build the recognizer of an ensemble. Its models stay resident in the process.

    Raises:
        ConfigError: the models of the backend are not mixed, or these members cannot be.
        ModelError: a member cannot be loaded.
    """
    config = with_first_backend(config, store)
    if config.backend not in MIXED_BACKENDS:
        raise ConfigError(explain_backend(config.backend))
    checkpoints = [resolve(name.removeprefix(DROPOUT_PREFIX), store) for name in config.members]
    loaded = [load_resident(each, config.for_member(index)) for index, each in enumerate(checkpoints)]
    if any(name.startswith(DROPOUT_PREFIX) for name in config.members):
        loaded = _with_dropout(config, loaded)
    backends = dict(zip(number_duplicates(config.members), loaded, strict=True))
    if config.backend == "seq2seq":
        weights = tuple(config.coefficients) or (1 / len(backends),) * len(backends)
        combiner = COMBINATIONS[config.combination](weights)
        decoder = SpeechSeq2SeqDecoder(backends, search_config_of(config), combiner)
        return WindowRecognizer(config, decoder, ensemble_checkpoint(checkpoints))
    backend = WhisperEnsemble(backends, config.combination, config.coefficients)
    return WhisperRecognizer(
        config,
        add_draft(backend, config, store),
        ensemble_checkpoint(checkpoints),
        seed=seed,
        members=backend.names,
        guides=load_guides(config, store, "transcribe"),
    )
