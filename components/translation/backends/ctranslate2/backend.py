"""The row of the backend ``ctranslate2``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.errors import ConfigError
from components.models.architectures import CONVERTED
from components.models.checkpoints import read_json
from components.translation.backends.backend import TranslatorBackend
from components.translation.backends.refusals import refuse_cut_context, refuse_prompt

if TYPE_CHECKING:
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.translator import Translator

# ruff: noqa: PLC0415 - its imports need torch


class CTranslate2(TranslatorBackend):
    """CTranslate2's search, with encoder-decoder models that are converted at first use."""

    only_by_name = True
    libraries = ("ctranslate2",)

    @override
    def reads(self, architecture: str) -> bool:
        return False

    @override
    def check(self) -> None:
        from components.translation.backends.ctranslate2.model import require_library

        require_library()

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        refuse_prompt(config)
        path = Path(checkpoint.path) / "config.json"
        model_type = read_json(path).get("model_type") if path.is_file() else None
        if model_type not in CONVERTED:
            raise ConfigError(
                f"backend: ctranslate2 expects one of {', '.join(CONVERTED)}, found {config.model} "
                f"({checkpoint.architecture}): use backend torch"
            )
        needs_ours = [name for name in ("sampling", "entropies", "terms", "draft") if getattr(config, name)]
        if config.context is not None and not config.context.target:
            needs_ours.append("context.target: false")
        if needs_ours:
            raise ConfigError(f"{needs_ours[0]}: expected backend torch, found ctranslate2, which has none")
        refuse_cut_context(config)

    @override
    def build(
        self, config: TranslationConfig, checkpoint: Checkpoint, store: str | None, seed: int
    ) -> Translator:
        from components.translation import factory
        from components.translation.backends.ctranslate2.model import CTranslate2Backend, load_resident
        from components.translation.config import search_config_of

        self.refuse(config, checkpoint)
        model = load_resident(checkpoint, config.device, config.dtype)
        backend = CTranslate2Backend(model, search_config_of(config, seed), config.context)
        return factory.join(config, backend, checkpoint, model.config)
