"""Backends of Whisper models, which share our windows, checks and n-best lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.backend import Backend

if TYPE_CHECKING:
    from components.recognition.config import RecognitionConfig
    from components.recognition.recognizer import Recognizer
    from components.records import Checkpoint


class WhisperModelBackend(Backend):
    """A backend whose model is a :class:`~components.recognition.whisper.backend.WhisperBackend`."""

    reads = "a Whisper model"
    architectures = ("whisper",)
    version = "8"  # of the machinery that all of them share

    @override
    def build(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint, task: Any, seed: int
    ) -> Recognizer:
        from components.recognition.whisper.recognizer import WhisperRecognizer  # noqa: PLC0415 - imports torch

        return WhisperRecognizer(config, loaded, checkpoint, task, seed)
