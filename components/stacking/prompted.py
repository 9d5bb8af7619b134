"""``prompted``: an audio language model translates what it hears, with transcripts in its prompt.

The modern form of P(Y2 | X, Y1): nothing is trained, and the model may believe the transcript or its ears.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from components.errors import ConfigError, RecordError
from components.models import resolve
from components.recognition import checks
from components.recognition.backends import BACKENDS
from components.recognition.backends.windowed import WindowedBackend
from components.recognition.config import RecognitionConfig
from components.recognition.factory import load_resident
from components.recognition.windowed.decoder import Window, WindowDecoder
from components.recognition.windowed.nbest import Hypotheses, NBestDecoder
from components.recognition.windowed.recognizer import WindowRecognizer
from components.recognition.windowed.request import Request
from components.records import Outcome, Quarantined, Utterance
from components.stacking.config import StackConfig

STAGE = "stack"
_MAX_TOKENS = 448
"""Of one window of a recognizer."""


class PromptedTranslator:
    """Translates utterances that have audio and, as the lines of ``text``, their transcripts, best first."""

    def __init__(self, config: StackConfig, store: str | None = None) -> None:
        recognition = recognition_config_of(config)
        self.config, self.checkpoint = config, resolve(recognition.model, store)
        loaded = load_resident(self.checkpoint, recognition)
        backend = BACKENDS[recognition.backend]
        assert isinstance(backend, WindowedBackend)
        decoder = backend.build_decoder(recognition, loaded, self.checkpoint)
        if "sound" in config.ablate:
            decoder = _DeafDecoder(decoder)
        self._recognizer = WindowRecognizer(recognition, decoder, self.checkpoint, "stack")
        self._recognizer.system = f"{config.method}:{self.checkpoint.reference}"

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Return one outcome per utterance, in order: an n-best list, or a quarantine with the reason."""
        if "transcript" in self.config.ablate:
            utterances = [utterance.model_copy(update={"text": None}) for utterance in utterances]
        outcomes = self._recognizer.recognize(utterances)
        return [
            outcome.model_copy(update={"stage": STAGE}) if isinstance(outcome, Quarantined) else outcome
            for outcome in outcomes
        ]


class _DeafDecoder(NBestDecoder):
    """A decoder that hears silence as long as the sound."""

    def __init__(self, decoder: WindowDecoder[Any]) -> None:
        self.max_seconds, self.language = decoder.max_seconds, decoder.language
        self._decoder = decoder

    def check(self, request: Request) -> None:
        self._decoder.check(request)

    def decode(self, windows: Sequence[Window]) -> Sequence[Hypotheses | RecordError]:
        return self._decoder.decode(
            [replace(window, samples=np.zeros_like(window.samples)) for window in windows]
        )


def recognition_config_of(config: StackConfig) -> RecognitionConfig:
    """Return the settings of the audio language model in those of the stack. ConfigError without a model."""
    if config.model is None:
        raise ConfigError(
            f"{config.method}: expected an audio language model such as hub:Qwen/Qwen2-Audio-7B-Instruct, "
            "found none"
        )
    same = ("beam_size", "n_best", "batch_size", "length_penalty", "dtype", "device")
    return RecognitionConfig(
        model=config.model,
        backend="audio-lm",
        max_tokens=min(config.max_tokens, _MAX_TOKENS),
        **{name: getattr(config, name) for name in same},
    )


def validate_model(config: StackConfig, store: str | None, pairs: Iterable[tuple[str, str | None]]) -> None:
    """Refuse, by its files (fetched first), a model that is none or does not follow instructions.

    Raises:
        ConfigError: it is of another architecture, or nobody says into which language.
        ModelError: it cannot be fetched.
    """
    requests = [Request("stack", source, target) for source, target in pairs]
    checks.validate_model(recognition_config_of(config), store, requests)
