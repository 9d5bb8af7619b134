"""``translate``: text -> text in another language, by any translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.nodes.kind import Component, Item, Kind, Pairs, Site
from components.records import Outcome, StageRef
from components.translation.config import VERSION, TranslationConfig

LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses")


class Translate(Kind[TranslationConfig]):
    """Text -> text in the language ``to``, else the data's target language."""

    name = "translate"
    summary = "text -> text in another language, by any translator"
    settings = TranslationConfig
    reads = ("text",)
    translates = True

    def version(self, settings: TranslationConfig) -> str:
        """Of the translator."""
        return str(VERSION)

    def libraries(self, settings: TranslationConfig) -> tuple[str, ...]:
        """Of torch, its models and their tokenizers."""
        return LIBRARIES

    def models(self, settings: TranslationConfig) -> dict[str, str]:
        """The translator's model."""
        return {"model": settings.model}

    def files(self, settings: TranslationConfig) -> dict[str, str]:
        """Examples for the prompt."""
        return {"examples": settings.examples} if settings.examples else {}

    def device(self, settings: TranslationConfig) -> str:
        """As set."""
        return settings.device

    def parameters(self, settings: TranslationConfig, site: Site) -> dict[str, Any]:
        """Everything but the model, the file of examples and where it computes."""
        return settings.model_dump(mode="json", exclude={"model", "examples", "device"})

    def check(self, settings: TranslationConfig, site: Site) -> None:
        """Its search, its device, its model's name."""
        from components.translation import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, site.store)

    def admit(self, settings: TranslationConfig, site: Site, pairs: Pairs) -> None:
        """A model that has one of the languages."""
        from components.translation import checks  # noqa: PLC0415 - imports torch

        checks.admit(settings, site.store, pairs)

    def build(self, settings: TranslationConfig, site: Site) -> Component:
        """The translator."""
        from components import translation  # noqa: PLC0415 - imports torch

        translator = translation.build(settings, site.store)

        def translate(items: Sequence[Item]) -> list[Outcome]:
            return translator.translate([item.utterance for item in items])

        return translate

    def notes(
        self, settings: TranslationConfig, site: Site, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """A line where many texts are unfamiliar to the model."""
        if data is None:
            return []
        from components.translation.domain_notes import domain_notes  # noqa: PLC0415 - imports torch

        return domain_notes(ref, settings.model, data, site.store)
