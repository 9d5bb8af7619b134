"""A configuration -> a recogniser. The backends are the rows of :data:`BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from components.device import pick_device, pick_dtype
from components.errors import ConfigError
from components.kernels import Arithmetic
from components.kernels.packed_linear import can_pack
from components.model_cache import model_cache
from components.models import resolve
from components.models.loading import load_transformers, load_whisper
from components.recognition.backends.pocketsphinx import PocketsphinxRecognizer, load_pocketsphinx
from components.recognition.checks import check_backend
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import OpenAIWhisperBackend, WhisperBackend
from components.recognition.whisper.features import FRAMES_PER_SECOND
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.records import Checkpoint, Outcome, Utterance

LoadBackend = Callable[[Checkpoint, RecognitionConfig, torch.device], Any]


class Recognizer(Protocol):
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

    load: LoadBackend
    recognizer: Callable[[RecognitionConfig, Any, Checkpoint, str, int], Recognizer] = WhisperRecognizer


def load_openai_whisper(
    checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device
) -> WhisperBackend:
    """openai-whisper's model under our batched search."""
    packed, dtype = _choose_arithmetic(config, device)
    frames = 2 * round(config.window_seconds * FRAMES_PER_SECOND / 2)
    model = load_whisper(checkpoint, device, dtype)
    return OpenAIWhisperBackend(model, packed or "float32", frames, config.padding_stride)


def _choose_arithmetic(
    config: RecognitionConfig, device: torch.device
) -> tuple[Arithmetic | None, torch.dtype]:
    """How the linear layers are packed, if they are, and the type of the weights to load."""
    if device.type == "cpu" and config.dtype != "float16" and can_pack(config.dtype):
        return config.dtype, torch.float32
    if config.dtype == "int8":
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    return None, pick_dtype(config.dtype, device)


def load_transformers_whisper(
    checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device
) -> WhisperBackend:
    """transformers' model under our batched search."""
    from components.recognition.backends.transformers import TransformersWhisperBackend  # noqa: PLC0415 - transformers takes seconds to import

    packed, dtype = _choose_arithmetic(config, device)
    return TransformersWhisperBackend(
        load_transformers(checkpoint, "speech", device, dtype)[0], checkpoint.reference, packed
    )


def load_faster_whisper(
    checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device
) -> WhisperBackend:
    """CTranslate2's model with its own search."""
    from components.recognition.backends.faster_whisper import FasterWhisperBackend  # noqa: PLC0415 - an extra

    return FasterWhisperBackend(checkpoint, config.dtype, device)


BACKENDS: dict[str, Backend] = {
    "whisper": Backend(load_openai_whisper),
    "transformers": Backend(load_transformers_whisper),
    "faster-whisper": Backend(load_faster_whisper),
    "pocketsphinx": Backend(load_pocketsphinx, PocketsphinxRecognizer),
}


def build(
    config: RecognitionConfig, store: str | None = None, task: str = "transcribe", seed: int = 0
) -> Recognizer:
    """The recogniser that ``config`` describes; its model stays resident and is shared by equal configs.

    ``task`` "translate" writes English instead of the spoken language; ``seed`` is of the samples that the
    temperature fallback draws. Raises :class:`ConfigError` or :class:`ModelError` in one line.
    """
    checkpoint = resolve(config.model, store)
    engine = load_resident(checkpoint, config)
    return BACKENDS[config.backend].recognizer(config, engine, checkpoint, task, seed)


def load_resident(checkpoint: Checkpoint, config: RecognitionConfig) -> Any:
    """The engine of a model as ``config`` says, loaded once. ConfigError, ModelError."""
    check_backend(config.backend, checkpoint)
    backend = BACKENDS[config.backend]
    device = pick_device(config.device)
    settings = (config.backend, config.dtype, config.window_seconds, config.padding_stride)
    threads = torch.get_num_threads() if config.backend == "faster-whisper" else None  # told when it is built
    key = ("recognition", *checkpoint.identity, *settings, threads, str(device))
    return model_cache.get(key, lambda: backend.load(checkpoint, config, device))
