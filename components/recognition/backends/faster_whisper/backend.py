"""The row of the backend ``faster-whisper``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.backend import WhisperModelBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.records import Checkpoint


class FasterWhisper(WhisperModelBackend):
    """CTranslate2's Whisper, which searches by itself."""

    only_by_name = fixes_threads = True
    module, extra = "ctranslate2", "fast"

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.faster_whisper.model import FasterWhisperBackend  # noqa: PLC0415 - an extra

        return FasterWhisperBackend(checkpoint, config.dtype, device)

    @override
    def require_files(self, checkpoint: Checkpoint) -> None:
        from components.recognition.backends.faster_whisper.model import find_ctranslate2_folder  # noqa: PLC0415

        find_ctranslate2_folder(checkpoint)
