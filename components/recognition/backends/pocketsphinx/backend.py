"""The row of the backend ``pocketsphinx``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.pocketsphinx.source import ARCHITECTURE
from components.recognition.backends.windowed import WindowedBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.windowed.decoder import WindowDecoder
    from components.records import Checkpoint


class Pocketsphinx(WindowedBackend):
    """A classical recognizer, GMM-HMM and trigrams, on the CPU."""

    reads = "a model such as sphinx:en-us"
    schemes, architectures = ("sphinx",), (ARCHITECTURE,)
    version = "4"
    module, extra = "pocketsphinx", "sphinx"

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.pocketsphinx.decoder import load  # noqa: PLC0415 - an extra

        return load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        from components.recognition.backends.pocketsphinx.decoder import build_decoder  # noqa: PLC0415 - an extra

        return build_decoder(loaded, checkpoint, config)
