"""Backends whose models decode windows of audio: all but those of Whisper."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.errors import ConfigError, DataError
from components.recognition.backends.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.decoder import WindowDecoder
    from components.recognition.windowed.request import Request
    from components.records import Checkpoint


class WindowedBackend(Backend):
    """A backend whose model is a :class:`~components.recognition.windowed.decoder.WindowDecoder`."""

    @abstractmethod
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        """Return the decoder over what :meth:`load` loaded."""

    @override
    def build(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: Any, seed: int
    ) -> Recognizer:
        from components.recognition.windowed.recognizer import WindowRecognizer  # noqa: PLC0415 - imports numpy

        return WindowRecognizer(config, self.build_decoder(config, loaded, checkpoint), checkpoint, task)


class ModuleBackend(WindowedBackend):
    """A windowed backend whose functions stand in a module of their own, which imports its libraries."""

    @abstractmethod
    def functions(self) -> Any:
        """Return the module with the functions ``load`` and ``build_decoder``, imported."""

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        return self.functions().load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        decoder: WindowDecoder[Any] = self.functions().build_decoder(loaded, checkpoint, config)
        return decoder


def require_possible(
    checkpoint: Checkpoint, requests: Sequence[Request], check: Callable[[Request], object]
) -> None:
    """Refuse a model of whose requests ``check`` refuses every one, with a DataError. ConfigError."""
    problems = []
    for request in requests:
        try:
            check(request)
        except DataError as error:
            problems.append(str(error))
        else:
            return
    if problems:
        raise ConfigError(f"{checkpoint.reference}: {problems[0]}")
