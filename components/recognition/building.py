"""A configuration -> a recogniser. The backends are the rows of :data:`BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from components.decoding.prepack import Arithmetic, available
from components.device import pick_device, pick_dtype, pool
from components.errors import ConfigError
from components.loading import load_whisper
from components.models import resolve
from components.recognition.config import RecognitionConfig
from components.recognition.engine import Engine, WhisperEngine
from components.recognition.recogniser import Recognizer
from components.records import Checkpoint

Build = Callable[[Checkpoint, RecognitionConfig, torch.device], Engine]


def whisper_engine(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Engine:
    """openai-whisper's model under our batched search."""
    packed: Arithmetic | None = None
    if device.type == "cpu" and config.dtype != "float16" and available(config.dtype):
        packed = config.dtype
    if config.dtype == "int8" and packed is None:
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    dtype = torch.float32 if packed else pick_dtype(config.dtype, device)
    return WhisperEngine(load_whisper(checkpoint, device, dtype), packed or "float32")


BACKENDS: dict[str, Build] = {"whisper": whisper_engine}


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
