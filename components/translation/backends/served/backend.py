"""The row of the backend ``served``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import override

from components.errors import ConfigError
from components.models.architectures import SERVED
from components.translation.backends.backend import TranslatorBackend
from components.translation.segments.directions import refuse_no_target

if TYPE_CHECKING:
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.translator import Translator

# ruff: noqa: PLC0415 - its imports are an extra's


class Served(TranslatorBackend):
    """Chat models behind an endpoint, which are asked instead of searched."""

    schemes = ("served",)

    @override
    def reads(self, architecture: str) -> bool:
        return architecture == SERVED

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        from components.models.sources.served import probe_chat

        probe_chat(config.model, completions=config.prompt == "completion")
        ours = ("top_k", "epsilon", "dropout")
        needs_search = [f"sampling.{each}" for each in ours if getattr(config.sampling, each, False)]
        needs_search += [each for each in ("entropies", "terms", "draft") if getattr(config, each)]
        if needs_search:
            raise ConfigError(
                f"{needs_search[0]}: expected a model that is searched here, found {config.model}: "
                "leave it out"
            )

    @override
    def direction_check(self, checkpoint: Checkpoint) -> Callable[[str, str | None], object]:
        return refuse_no_target

    @override
    def digests(self, config: TranslationConfig) -> dict[str, str]:
        from components.models.sources.served import chat_fingerprints

        return chat_fingerprints({"model": config.model}, completions=config.prompt == "completion")

    @override
    def build(
        self, config: TranslationConfig, checkpoint: Checkpoint, store: str | None, seed: int
    ) -> Translator:
        from components.translation.backends.served.model import build_served

        return build_served(config, checkpoint, seed)
