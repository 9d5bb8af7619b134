"""Direct speech translation: a recognizer's machinery (windows, batches, search, n-best) under another task.

Whisper writes English alone; the models of other backends say which languages they write.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import ConfigError
from components.recognition import factory
from components.recognition.backend_choice import backend_of, with_backend
from components.recognition.backends import BACKENDS, names_where
from components.recognition.checks import is_english_only
from components.recognition.config import RecognitionConfig
from components.records import Checkpoint, Outcome, Quarantined, Utterance
from components.text.languages import two_letters_of
from components.translation.config import SPEECH_VERSION

STAGE = "speech translation"


class SpeechTranslator:
    """Speech -> n-best translations.

    Attributes:
        version: changes when outputs do.
        checkpoint: the model.

    Raises:
        ConfigError: Backend or model cannot translate.
        ModelError: The model is not there, or damaged.
    """

    version: int = SPEECH_VERSION

    def __init__(self, config: RecognitionConfig, store: str | None = None, seed: int = 0) -> None:
        config = with_backend(config, store)
        check(config)
        self._recognizer = factory.build(config, store, task="translate", seed=seed)
        self.checkpoint = self._recognizer.checkpoint
        self._writes_many = writes_many(config)
        if not self._writes_many:
            check_model(self.checkpoint)

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order. A target language that the model does not write is refused."""
        if self._writes_many:  # the recognizer refuses each that its model does not
            return self._recognizer.recognize(utterances)
        supported = [utterance for utterance in utterances if can_translate_to(utterance.target_language)]
        outcomes = iter(self._recognizer.recognize(supported))
        return [
            next(outcomes) if can_translate_to(utterance.target_language) else _quarantine(utterance)
            for utterance in utterances
        ]


def check(config: RecognitionConfig, store: str | None = None) -> None:
    """Refuse a backend that cannot translate. ConfigError."""
    config = with_backend(config, store)
    if not BACKENDS[config.backend].translates:
        names = names_where("translates")
        raise ConfigError(f"expected backend {names} for speech translation, found {config.backend}")
    for setting in ("ctc", "language_model"):
        if getattr(config, setting) is not None:
            raise ConfigError(f"{setting}: expected none for speech translation, found one: leave it out")


def writes_many(config: RecognitionConfig) -> bool:
    """Whether the models of the backend may write other languages than English, as each says itself."""
    return backend_of(config).writes_many


def check_model(checkpoint: Checkpoint) -> None:
    """Refuse an English-only Whisper, which cannot translate. ConfigError."""
    if is_english_only(checkpoint):
        raise ConfigError(
            f"{checkpoint.reference}: expected a multilingual Whisper to translate with, "
            "found an English-only one: use packaged:whisper-base"
        )


def can_translate_to(target: str | None) -> bool:
    """Return whether Whisper translates into ``target``: English, or no language asked for."""
    return target is None or two_letters_of(target) == "en"


def _quarantine(utterance: Utterance) -> Quarantined:
    target = utterance.target_language
    return Quarantined(
        utterance_id=utterance.id,
        stage=STAGE,
        reason="unsupported input",
        detail=f"expected target language en, all that Whisper writes, found {target}: use a cascade",
    )
