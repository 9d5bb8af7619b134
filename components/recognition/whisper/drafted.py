"""A Whisper model, or several as one, to whose greedy search a smaller one proposes tokens.

The smaller model has an encoder of its own, which runs once per window. Samples of the temperature fallback
are drawn without it. Method: :mod:`components.decoding.searches.speculative`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.searches.speculative import Draft, require_draft_vocabulary
from components.errors import ConfigError
from components.recognition.whisper.backend import (
    DecodingRequest,
    DecodingResult,
    DetectedLanguage,
    WhisperBackend,
)


class DraftableBackend(WhisperBackend, Protocol):
    """A :class:`~.backend.WhisperBackend` whose search takes proposals."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that it writes."""


class ProposingBackend(DraftableBackend, Protocol):
    """A :class:`~.backend.WhisperBackend` that can propose: one model."""

    def build_scorer(self, features: Any, prompts: Tensor) -> TokenScorer:
        """Return the decoder over N windows with their ``prompts`` (N, P), ready to be searched."""


class DraftedWindows(NamedTuple):
    """The encoder outputs of the same windows: of the model, and of the one that proposes."""

    target: Any
    draft: Any

    def __getitem__(self, rows: Any, /) -> Any:
        return DraftedWindows(self.target[rows], self.draft[rows])


class DraftedWhisper:
    """A :class:`~.backend.WhisperBackend` that writes what ``target`` writes, in fewer calls of it.

    Args:
        target: the model that decides.
        draft: the model that proposes.
        n_tokens: how many tokens it proposes at a time.
        name: of the draft model, for messages.

    Raises:
        ConfigError: The models differ in vocabulary, positions or features.
    """

    def __init__(self, target: DraftableBackend, draft: ProposingBackend, n_tokens: int, name: str) -> None:
        require_draft_vocabulary("the recognizer", target.vocabulary, name, draft.vocabulary)
        shape = (target.dims.n_mels, target.dims.n_text_ctx)
        if (draft.dims.n_mels, draft.dims.n_text_ctx) != shape:
            raise ConfigError(
                f"draft: expected {shape[0]} mel bands and {shape[1]} positions as the recognizer has, found "
                f"{name} with {draft.dims.n_mels} and {draft.dims.n_text_ctx}"
            )
        self.dims = target.dims
        self._target, self._draft, self._n_tokens = target, draft, n_tokens

    @property
    def device(self) -> torch.device:
        """Where the model that decides is."""
        return self._target.device

    def encode(self, mels: Tensor) -> DraftedWindows:
        """Run both encoders."""
        return DraftedWindows(self._target.encode(mels), self._draft.encode(mels))

    def detect_languages(self, features: DraftedWindows) -> list[DetectedLanguage]:
        """Return what the target detects."""
        return self._target.detect_languages(features.target)

    @torch.inference_mode()
    def decode(self, features: DraftedWindows, request: DecodingRequest) -> list[DecodingResult]:
        """See :meth:`.WhisperBackend.decode`; only a greedy search takes proposals."""
        if request.config.beam_size == 1 and request.config.temperature == 0:
            draft = Draft(self._draft.build_scorer(features.draft, request.prompts), self._n_tokens)
            request = replace(request, guidance=replace(request.guidance, draft=draft))
        return self._target.decode(features.target, request)
