"""The row of the backend ``whisper``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.backend import WhisperModelBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.records import Checkpoint


class Whisper(WhisperModelBackend):
    """openai-whisper's model with packed weights under our batched search."""

    packs_weights = translates = searches_here = True

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.whisper.model import load  # noqa: PLC0415 - imports torch

        return load(checkpoint, config, device)
