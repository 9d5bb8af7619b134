"""The row of the backend ``onnx-asr``."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components.recognition.backends.onnx_asr.source import ARCHITECTURE
from components.recognition.backends.windowed import ModuleBackend


class OnnxAsr(ModuleBackend):
    """NeMo's, GigaAM's and other models in ONNX."""

    reads = "a model such as onnx:FOLDER"
    schemes, architectures = ("onnx",), (ARCHITECTURE,)
    version = "1"
    half = "float32"
    module, extra = "onnx_asr", "onnx-asr"
    libraries = ("onnx-asr", "onnxruntime")

    @override
    def functions(self) -> Any:
        from components.recognition.backends.onnx_asr import decoder  # noqa: PLC0415 - an extra

        return decoder
