"""A configuration -> a recogniser. The backends are the rows of :data:`BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from components.decoding.prepack import available
from components.device import pick_device, pick_dtype, pool
from components.errors import ConfigError
from components.kernels import Arithmetic
from components.models import resolve
from components.models.loading import load_transformers, load_whisper
from components.recognition.checks import check_backend
from components.recognition.config import RecognitionConfig
from components.recognition.engine import Engine, WhisperEngine
from components.recognition.features import FRAMES_PER_SECOND
from components.recognition.recogniser import Recognizer
from components.recognition.sphinx import SphinxRecognizer, sphinx_engine
from components.records import Checkpoint, Outcome, Utterance

Build = Callable[[Checkpoint, RecognitionConfig, torch.device], Any]


class Listener(Protocol):
    """Anything that recognises speech: one outcome per utterance, in order."""

    version: int
    system: str
    checkpoint: Checkpoint

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        """Transcribe; an utterance that cannot be is quarantined."""
        ...


@dataclass(frozen=True)
class Backend:
    """What stays resident (``engine``), and what recognises with it (``listener``)."""

    engine: Build
    listener: Callable[[RecognitionConfig, Any, Checkpoint, str, int], Listener] = Recognizer


def whisper_engine(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Engine:
    """openai-whisper's model under our batched search."""
    packed, dtype = _arithmetic(config, device)
    frames = 2 * round(config.window_seconds * FRAMES_PER_SECOND / 2)
    model = load_whisper(checkpoint, device, dtype)
    return WhisperEngine(model, packed or "float32", frames, config.padding_stride)


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


BACKENDS: dict[str, Backend] = {
    "whisper": Backend(whisper_engine),
    "transformers": Backend(hub_engine),
    "faster-whisper": Backend(ctranslate_engine),
    "pocketsphinx": Backend(sphinx_engine, SphinxRecognizer),
}


def build(
    config: RecognitionConfig, store: str | None = None, task: str = "transcribe", seed: int = 0
) -> Listener:
    """The recogniser that ``config`` describes; its model stays resident and is shared by equal configs.

    ``task`` "translate" writes English instead of the spoken language; ``seed`` is of the samples that the
    temperature fallback draws. Raises :class:`ConfigError` or :class:`ModelError` in one line.
    """
    checkpoint = resolve(config.model, store)
    engine = resident(checkpoint, config)
    return BACKENDS[config.backend].listener(config, engine, checkpoint, task, seed)


def resident(checkpoint: Checkpoint, config: RecognitionConfig) -> Any:
    """The engine of a model as ``config`` says, loaded once. ConfigError, ModelError."""
    check_backend(config.backend, checkpoint)
    backend = BACKENDS[config.backend]
    device = pick_device(config.device)
    settings = (config.backend, config.dtype, config.window_seconds, config.padding_stride)
    threads = torch.get_num_threads() if config.backend == "faster-whisper" else None  # told when it is built
    key = ("recognition", *checkpoint.identity, *settings, threads, str(device))
    return pool.get(key, lambda: backend.engine(checkpoint, config, device))
