"""The row of the backend ``edit-diffusion``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.errors import ConfigError
from components.models.architectures import EDIT_DIFFUSION
from components.translation.backends.refusals import refuse_context, refuse_draft, refuse_prompt
from components.translation.backends.searched import SearchedBackend

if TYPE_CHECKING:
    from components.decoding.config import SearchConfig
    from components.decoding.constraints.guidance import DraftBuilder
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig
    from components.translation.sentence_translation import ContextBackend

# ruff: noqa: PLC0415 - its imports need torch


class EditDiffusion(SearchedBackend):
    """Models that write a translation by steps of edits."""

    @override
    def reads(self, architecture: str) -> bool:
        return architecture == EDIT_DIFFUSION

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        refuse_prompt(config)
        refuse_context(config, checkpoint)
        refuse_draft(config, checkpoint)
        name = next((name for name in ("sampling", "entropies", "terms") if getattr(config, name)), "")
        if name:
            raise ConfigError(
                f"{name}: expected a model that writes from left to right, found {config.model} "
                f"({checkpoint.architecture})"
            )

    @override
    def load(self, checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
        from components.decoding.searches.edit_diffusion import EditDiffusionModel
        from components.models.loaders.refiner_checkpoints import load_refiner

        return load_refiner(checkpoint, device, dtype, EditDiffusionModel)

    @override
    def build_sentences(
        self,
        config: TranslationConfig,
        loaded: tuple[Any, Any],
        search: SearchConfig,
        draft: DraftBuilder | None,
    ) -> ContextBackend:
        from components.translation.backends.edit_diffusion.model import EditDiffusionBackend

        return EditDiffusionBackend(*loaded, search)
