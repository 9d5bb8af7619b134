"""Whisper recognisers of one vocabulary as one: their distributions are mixed at every token of every window.

Recognisers of different vocabularies (an English-only beside a multilingual Whisper, pocketsphinx) are pooled
by their finished transcripts instead: :mod:`components.ensembling.pooling`.
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
from components.ensembling.combiners import COMBINATIONS
from components.ensembling.translator import composite, distinct
from components.errors import ConfigError
from components.models import resolve
from components.recognition.building import resident
from components.recognition.config import RecognitionConfig
from components.recognition.engine import Heard, Sound, WhisperEngine
from components.recognition.recogniser import Recognizer
from components.recognition.rules import whisper_rules

Combination = Literal["linear", "log_linear"]


class RecogniserEnsemble(RecognitionConfig):
    """Everything that makes an ensemble of recognisers: the search, the members in order, the mixing."""

    members: tuple[str, ...] = Field(min_length=1)
    combination: Combination = "linear"
    coefficients: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sounds:
    """What each member made of the windows."""

    parts: tuple[Sound, ...]

    def __getitem__(self, rows: list[int], /) -> Sounds:
        return Sounds(tuple(part[rows] for part in self.parts))


class WhisperEnsemble:
    """An :class:`~components.recognition.engine.Engine` of several, by name.

    ``coefficients`` are equal where none are given. Members whose coefficient is 0 are never called. The
    no-speech probability is the weighted mean of the others'.
    ConfigError where the members do not share a vocabulary or the coefficients do not fit.
    """

    def __init__(
        self,
        engines: Mapping[str, WhisperEngine],
        combination: Combination,
        coefficients: Sequence[float] = (),
    ) -> None:
        _require_one_vocabulary(engines)
        weights = tuple(coefficients) or (1 / len(engines),) * len(engines)
        counting = COMBINATIONS[combination](weights).active(len(engines))
        self.names = tuple(list(engines)[place] for place in counting)
        self._engines = [engines[name] for name in self.names]
        self._combine = COMBINATIONS[combination]([weights[place] for place in counting])
        share = torch.tensor([abs(weights[place]) for place in counting])
        self._share = share / share.sum()
        self.shape = self._engines[0].shape

    def encode(self, mels: Tensor) -> Sounds:
        """See :class:`Engine`."""
        return Sounds(tuple(engine.encode(mels) for engine in self._engines))

    def _each(self, features: Sounds) -> list[tuple[WhisperEngine, Sound]]:
        return list(zip(self._engines, features.parts, strict=True))

    @torch.inference_mode()
    def languages(self, features: Sounds) -> list[str]:
        """See :class:`Engine`: of the members' distributions over languages, mixed as their words are."""
        scores = [engine.language_scores(part) for engine, part in self._each(features)]
        mixed = self._combine(scores, self._combine.constants()).log_probs
        codes = self.shape.tokenizer(None, "transcribe").all_language_codes
        return [codes[i] for i in mixed.argmax(-1).tolist()]

    @torch.inference_mode()
    def decode(
        self, features: Sounds, prompts: Tensor, config: SearchConfig, timestamps: bool, keys: Sequence[int]
    ) -> list[Heard]:
        """See :class:`Engine`."""
        members = [engine.member(part, prompts) for engine, part in self._each(features)]
        rules = whisper_rules(self.shape.tokenizer(None, "transcribe"), self.shape.size, timestamps)
        found = search(members, config, rules=rules, combine=self._combine, keys=keys)
        quiet = self._share @ torch.stack([member.no_speech for member in members])
        return [Heard(c, p) for c, p in zip(found, quiet.tolist(), strict=True)]


def _require_one_vocabulary(engines: Mapping[str, WhisperEngine]) -> None:
    (first, engine), *others = engines.items()
    wanted = engine.vocabulary
    for name, other in others:
        if other.vocabulary != wanted:
            raise ConfigError(
                f"expected recognisers of one vocabulary to mix token by token, found {name} "
                f"({other.vocabulary.size} tokens) beside {first} ({wanted.size}): pool their finished "
                "transcripts instead (combination: pooled, or kind combine), or choose models of one kind"
            )


def refusal(config: RecogniserEnsemble) -> str:
    """Why recognizers of another backend are not mixed token by token."""
    return (
        f"combination: expected backend whisper to mix recognizers token by token, found {config.backend}: "
        "combine their finished transcripts (combination: pooled, or a node of kind combine)"
    )


def build(config: RecogniserEnsemble, store: str | None = None, seed: int = 0) -> Recognizer:
    """The recogniser whose members are ``config.members``; models stay resident. ConfigError, ModelError."""
    if config.backend != "whisper":
        raise ConfigError(refusal(config))
    checkpoints = [resolve(name, store) for name in config.members]
    loaded = [resident(checkpoint, config) for checkpoint in checkpoints]
    engines = dict(zip(distinct(config.members), loaded, strict=True))
    engine = WhisperEnsemble(engines, config.combination, config.coefficients)
    return Recognizer(config, engine, composite(checkpoints), seed=seed, members=engine.names)
