"""Whisper's own normalizers of transcripts, without the rest of Whisper."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def load_whisper_normalizers() -> ModuleType:
    """Return ``whisper.normalizers`` without ``whisper``, which imports torch (1.5 s); they are plain Python.

    Raises:
        ImportError: openai-whisper is not installed.
    """
    name = "whisper_normalizers"
    if name in sys.modules:
        return sys.modules[name]
    package = find_spec("whisper")
    folder = Path(str(package and package.origin)).parent / "normalizers"
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"expected openai-whisper with its normalizers, found none in {folder}")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
