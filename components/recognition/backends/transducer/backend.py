"""The row of the backend ``transducer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.windowed import WindowedBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.windowed.decoder import WindowDecoder
    from components.records import Checkpoint

ARCHITECTURES = ("ParakeetForRNNT", "ParakeetForTDT")


class Transducer(WindowedBackend):
    """Models that write tokens while they walk over the frames of speech."""

    reads = "a transducer (Parakeet RNN-T or TDT)"
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "1"
    half = "bfloat16"

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.transducer.decoder import load  # noqa: PLC0415 - imports torch

        return load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        from components.recognition.backends.transducer.decoder import build_decoder  # noqa: PLC0415 - imports torch

        return build_decoder(loaded, checkpoint, config)
