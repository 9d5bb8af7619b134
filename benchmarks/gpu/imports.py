"""What the benchmark needs on a machine that can fetch nothing; named before anything is measured."""

from __future__ import annotations

import importlib

NEEDED = {
    **{name: name for name in ("torch", "transformers", "safetensors", "numpy", "pydantic", "tiktoken")},
    **{name: name for name in ("llvmlite", "numba", "sentencepiece", "sacrebleu", "rapidfuzz")},
    **{name: name for name in ("filelock", "platformdirs", "ruamel.yaml", "soundfile")},
    "whisper": "openai-whisper",
}
"""Module -> the package that brings it."""


def find_missing() -> list[str]:
    """The packages that cannot be imported."""
    missing = []
    for module, package in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing.append(f"{package} ({error})")
    return missing
