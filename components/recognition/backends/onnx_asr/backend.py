"""The row of the backend ``onnx-asr``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.onnx_asr.source import ARCHITECTURE
from components.recognition.backends.windowed import WindowedBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.windowed.decoder import WindowDecoder
    from components.records import Checkpoint


class OnnxAsr(WindowedBackend):
    """NeMo's, GigaAM's and other models in ONNX."""

    reads = "a model such as onnx:FOLDER"
    schemes, architectures = ("onnx",), (ARCHITECTURE,)
    version = "1"
    half = "float32"
    module, extra = "onnx_asr", "onnx-asr"
    libraries = ("onnx-asr", "onnxruntime")

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.onnx_asr.decoder import load  # noqa: PLC0415 - an extra

        return load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        from components.recognition.backends.onnx_asr.decoder import build_decoder  # noqa: PLC0415 - an extra

        return build_decoder(loaded, checkpoint, config)
