"""What is refused of a recognizer before its weights are loaded: its extra, its device, its model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from components import models
from components.errors import ConfigError
from components.machine import resolve_device_name
from components.models.checkpoints import read_json
from components.models.references import split_reference
from components.recognition.backends import BACKENDS
from components.recognition.config import RecognitionConfig
from components.records import Checkpoint
from components.term_list import read_terms

_ENGLISH_ONLY_VOCABULARY = 51_864
"""Tokens of an English-only Whisper; multilingual ones have more."""


def check(config: RecognitionConfig, store: str | None) -> None:
    """Refuse what can be refused without fetching a model.

    Raises:
        ConfigError: The backend's extra is missing, or backend, device, arithmetic and model do not fit.
        ModelError: There is no such model.
        StoreError: The store that the model is in cannot be read.
    """
    backend = BACKENDS[config.backend]
    if backend.module and find_spec(backend.module) is None:
        raise ConfigError(
            f"backend: {config.backend} expects the extra {backend.extra!r}, found it missing; "
            f"pip install 'antiphon[{backend.extra}]' or use backend whisper"
        )
    refuse_guides(config)
    device = resolve_device_name(config.device)
    if config.dtype == "int8" and device != "cpu" and backend.packs_weights:
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    scheme, _ = split_reference(config.model)
    if scheme not in backend.schemes:
        raise _wrong_model(config.backend, config.model)
    models.check(config.model, store, served=backend.is_elsewhere)
    if config.terms is not None:
        read_terms(Path(config.terms))
    if config.ctc is not None:
        models.check(config.ctc.model, store)


def refuse_guides(config: RecognitionConfig) -> None:
    """Refuse settings of our search where the backend decodes by itself. ConfigError."""
    backend = BACKENDS[config.backend]
    for setting in ("sampling", "entropies", "terms", "ctc"):
        if getattr(config, setting) and not backend.searches_here:
            names = " or ".join(name for name, row in BACKENDS.items() if row.searches_here)
            raise ConfigError(
                f"{setting}: expected backend {names}, found {config.backend}, which decodes by itself"
            )


def validate_model(config: RecognitionConfig, store: str | None) -> None:
    """Refuse, by its files (fetched first), a model that the backend cannot read. Raises as :func:`check`."""
    checkpoint = models.resolve(config.model, store)
    check_backend(config.backend, checkpoint)
    require_files = BACKENDS[config.backend].require_files
    if require_files is not None:
        require_files(checkpoint)
    if config.ctc is not None:
        check_backend("ctc", models.resolve(config.ctc.model, store))


def is_english_only(checkpoint: Checkpoint) -> bool:
    """Whether a Whisper model knows English only, by the size of its vocabulary."""
    settings = Path(checkpoint.path) / "config.json"
    size = read_json(settings).get("vocab_size") if settings.is_file() else None
    return isinstance(size, int) and size <= _ENGLISH_ONLY_VOCABULARY


def check_backend(name: str, checkpoint: Checkpoint) -> None:
    """Refuse a model of an architecture that the backend does not read. ConfigError."""
    architecture = checkpoint.architecture.lower()
    if not architecture.startswith(BACKENDS[name].architectures):
        raise _wrong_model(name, f"{checkpoint.reference} ({checkpoint.architecture})", architecture)


def _wrong_model(name: str, model: str, architecture: str = "") -> ConfigError:
    readers = (other for other, row in BACKENDS.items() if architecture.startswith(row.architectures))
    reader = next(readers, None)
    advice = f"set backend: {reader}" if reader else "set both model and backend"
    return ConfigError(f"backend {name}: expected {BACKENDS[name].reads}, found {model}; {advice}")
