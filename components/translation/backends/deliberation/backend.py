"""The row of the backend ``deliberation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.models.architectures import DELIBERATION
from components.translation.backends.encoder_decoder.backend import EncoderDecoder
from components.translation.backends.refusals import refuse_context, refuse_draft, refuse_prompt

if TYPE_CHECKING:
    from components.records import Checkpoint
    from components.translation.config import TranslationConfig

# ruff: noqa: PLC0415 - its imports need torch


class Deliberation(EncoderDecoder):
    """Deliberation networks: the second pass over a first of their own."""

    takes_drafts = False

    @override
    def reads(self, architecture: str) -> bool:
        return architecture == DELIBERATION

    @override
    def refuse(self, config: TranslationConfig, checkpoint: Checkpoint) -> None:
        refuse_prompt(config)
        refuse_context(config, checkpoint)
        refuse_draft(config, checkpoint)

    @override
    def load(self, checkpoint: Checkpoint, device: str, dtype: str) -> tuple[Any, Any]:
        from components.decoding.searches.deliberation import DeliberationModel
        from components.models.loaders.refiner_checkpoints import load_refiner

        return load_refiner(checkpoint, device, dtype, DeliberationModel)
