"""The row of the backend ``transducer``."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components.recognition.backends.windowed import ModuleBackend

ARCHITECTURES = ("ParakeetForRNNT", "ParakeetForTDT")


class Transducer(ModuleBackend):
    """Models that write tokens while they walk over the frames of speech."""

    reads = "a transducer (Parakeet RNN-T or TDT)"
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "1"
    half = "bfloat16"

    @override
    def functions(self) -> Any:
        from components.recognition.backends.transducer import decoder  # noqa: PLC0415 - imports torch

        return decoder
