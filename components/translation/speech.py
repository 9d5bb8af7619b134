"""Direct speech translation: Whisper's translate task, speech in any of its languages -> English text.

It is the recogniser's machinery (windows, batches, guards, n-best) under another task token.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import ConfigError
from components.languages import base_of
from components.recognition.building import build
from components.recognition.config import RecognitionConfig
from components.records import Outcome, Quarantined, Utterance

STAGE = "speech translation"


class SpeechTranslator:
    """Speech -> English n-best. ``version`` changes when outputs do."""

    version: int = 1

    def __init__(self, config: RecognitionConfig, store: str | None = None) -> None:
        if config.backend != "whisper":
            raise ConfigError(f"expected backend whisper for speech translation, found {config.backend}")
        self._recognizer = build(config, store, task="translate")
        self.checkpoint = self._recognizer.checkpoint
        if self.checkpoint.reference.endswith(".en"):
            raise ConfigError(
                f"{self.checkpoint.reference}: expected a multilingual Whisper to translate with, "
                "found an English-only one: use packaged:whisper-base"
            )

    def translate(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """One outcome per utterance, in order. A target language other than English is refused."""
        fit = [utterance for utterance in utterances if _into_english(utterance)]
        heard = iter(self._recognizer.recognize(fit))
        return [next(heard) if _into_english(utterance) else _refused(utterance) for utterance in utterances]


def _into_english(utterance: Utterance) -> bool:
    return utterance.target_language is None or base_of(utterance.target_language) == "en"


def _refused(utterance: Utterance) -> Quarantined:
    found = utterance.target_language
    return Quarantined(
        utterance_id=utterance.id,
        stage=STAGE,
        reason="unsupported input",
        detail=f"expected target language en, all that Whisper writes, found {found}: use a cascade",
    )
