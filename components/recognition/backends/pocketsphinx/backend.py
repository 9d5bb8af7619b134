"""The row of the backend ``pocketsphinx``."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components.recognition.backends.pocketsphinx.source import ARCHITECTURE
from components.recognition.backends.windowed import ModuleBackend


class Pocketsphinx(ModuleBackend):
    """A classical recognizer, GMM-HMM and trigrams, on the CPU."""

    reads = "a model such as sphinx:en-us"
    schemes, architectures = ("sphinx",), (ARCHITECTURE,)
    version = "4"
    module, extra = "pocketsphinx", "sphinx"

    @override
    def functions(self) -> Any:
        from components.recognition.backends.pocketsphinx import decoder  # noqa: PLC0415 - an extra

        return decoder
