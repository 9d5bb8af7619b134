"""What is refused of a recogniser before its weights are loaded: its extra, its device, its model."""

from __future__ import annotations

from importlib.util import find_spec

from components import models
from components.errors import ConfigError
from components.machine import resolve_device_name
from components.models.architectures import SPHINX
from components.recognition.config import RecognitionConfig
from components.records import Checkpoint

EXTRAS = {"faster-whisper": ("ctranslate2", "fast"), "pocketsphinx": ("pocketsphinx", "sphinx")}
"""Backend -> the module that it needs and the extra that brings it."""


def check(config: RecognitionConfig, store: str | None) -> None:
    """Refuse what can be refused without fetching a model. ConfigError, ModelError, StoreError."""
    module, extra = EXTRAS.get(config.backend, ("", ""))
    if module and find_spec(module) is None:
        raise ConfigError(
            f"backend: {config.backend} expects the extra {extra!r}, found it missing; "
            f"pip install 'antiphon[{extra}]' or use backend whisper"
        )
    device = resolve_device_name(config.device)
    if config.dtype == "int8" and device != "cpu" and config.backend in ("whisper", "transformers"):
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    models.check(config.model, store)


def validate_model(config: RecognitionConfig, store: str | None) -> None:
    """Refuse, by its files (fetched first), a model that is not the backend's. As :func:`check`."""
    checkpoint = models.resolve(config.model, store)
    check_backend(config.backend, checkpoint)
    if config.backend != "pocketsphinx" and not checkpoint.architecture.lower().startswith("whisper"):
        raise ConfigError(f"{config.model}: expected a Whisper model, found {checkpoint.architecture}")
    if config.backend == "faster-whisper":
        from components.recognition.backends.faster_whisper import find_ctranslate2_folder  # noqa: PLC0415 - imports torch

        find_ctranslate2_folder(checkpoint)


def check_backend(backend: str, checkpoint: Checkpoint) -> None:
    """Refuse a model that is not of the backend's kind. ConfigError."""
    if (backend == "pocketsphinx") != (checkpoint.architecture == SPHINX):
        expected = "a model such as sphinx:en-us" if backend == "pocketsphinx" else "a Whisper model"
        raise ConfigError(
            f"backend {backend}: expected {expected}, found {checkpoint.reference} "
            f"({checkpoint.architecture}); set both model and backend"
        )
