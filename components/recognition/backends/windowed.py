"""Backends whose models decode windows of audio: all but those of Whisper."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.backend import Backend

if TYPE_CHECKING:
    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.recognition.windowed.decoder import WindowDecoder
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
