"""How the rows whose models are decoders of windows load and build.

Each has a module of this folder, which is imported when it is needed, as its libraries take seconds or are an
extra. It has ``load(checkpoint, config, device)`` and ``build_decoder(loaded, checkpoint, config)``; where
what a model can do depends on its files, ``check_requests(checkpoint, requests)``, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.decoder import Request, WindowDecoder
    from components.records import Checkpoint


def _import(backend: str) -> Any:
    return import_module(f"{__package__}.{backend.replace('-', '_')}")


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
    """What the backend of ``config`` keeps in memory of a model. ConfigError, ModelError."""
    return _import(config.backend).load(checkpoint, config, device)


def build_decoder(config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint) -> WindowDecoder[Any]:
    """The decoder over what :func:`load` loaded."""
    decoder: WindowDecoder[Any] = _import(config.backend).build_decoder(loaded, checkpoint, config)
    return decoder


def build(config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: Any, seed: int) -> Recognizer:
    """The recognizer over what :func:`load` loaded."""
    from components.recognition.windowed.recognizer import WindowRecognizer  # noqa: PLC0415 - imports numpy

    del seed
    return WindowRecognizer(config, build_decoder(config, loaded, checkpoint), checkpoint, task)


def check_requests(backend: str, checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse a model of ``backend`` that can do none of the requests. ConfigError, ModelError."""
    _import(backend).check_requests(checkpoint, requests)
