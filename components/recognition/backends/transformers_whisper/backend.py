"""The row of the backend ``transformers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.backend import WhisperModelBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.records import Checkpoint


class TransformersWhisper(WhisperModelBackend):
    """transformers' Whisper under our batched search."""

    only_by_name = packs_weights = searches_here = True

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.transformers_whisper.model import load  # noqa: PLC0415 - imports torch

        return load(checkpoint, config, device)
