"""A configuration -> a recogniser. The backends are the rows of :data:`BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from components.decoding.prepack import Arithmetic, available
from components.device import pick_device, pick_dtype, pool
from components.errors import ConfigError
from components.models import resolve
from components.models.loading import load_transformers, load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.engine import Engine, WhisperEngine
from components.recognition.recogniser import Recognizer
from components.records import Checkpoint

Build = Callable[[Checkpoint, RecognitionConfig, torch.device], Engine]


def whisper_engine(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Engine:
    """openai-whisper's model under our batched search."""
    packed, dtype = _arithmetic(config, device)
    return WhisperEngine(load_whisper(checkpoint, device, dtype), packed or "float32")


def _arithmetic(config: RecognitionConfig, device: torch.device) -> tuple[Arithmetic | None, torch.dtype]:
    """How the linear layers are packed, if they are, and the type of the weights to load."""
    if device.type == "cpu" and config.dtype != "float16" and available(config.dtype):
        return config.dtype, torch.float32
    if config.dtype == "int8":
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    return None, pick_dtype(config.dtype, device)


def hub_engine(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Engine:
    """transformers' model under our batched search."""
    from components.recognition.hub import HubEngine  # noqa: PLC0415 - transformers takes seconds to import

    packed, dtype = _arithmetic(config, device)
    return HubEngine(load_transformers(checkpoint, "speech", device, dtype)[0], checkpoint.reference, packed)


def ctranslate_engine(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Engine:
    """CTranslate2's model with its own search."""
    from components.recognition.ctranslate import CTranslateEngine  # noqa: PLC0415 - an extra

    return CTranslateEngine(checkpoint, config.dtype, device)


BACKENDS: dict[str, Build] = {
    "whisper": whisper_engine,
    "transformers": hub_engine,
    "faster-whisper": ctranslate_engine,
}


def build(config: RecognitionConfig, store: str | None = None, task: str = "transcribe") -> Recognizer:
    """The recogniser that ``config`` describes; its model stays resident and is shared by equal configs.

    ``task`` "translate" writes English instead of the spoken language. Raises :class:`ConfigError` or
    :class:`ModelError` in one line.
    """
    checkpoint = resolve(config.model, store)
    device = pick_device(config.device)
    key = ("recognition", checkpoint.sha256, config.backend, config.dtype, str(device))
    engine = pool.get(key, lambda: BACKENDS[config.backend](checkpoint, config, device))
    return Recognizer(config, engine, checkpoint, task)
