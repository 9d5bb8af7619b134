"""The row of the backend ``audio-lm``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.windowed import ModuleBackend

if TYPE_CHECKING:
    from components.recognition.windowed.request import Request
    from components.records import Checkpoint

ARCHITECTURES = (
    *("Qwen2AudioForConditionalGeneration", "VoxtralForConditionalGeneration"),
    *("GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration"),
    *("AudioFlamingo3ForConditionalGeneration", "GlmAsrForConditionalGeneration"),
    "Qwen3ASRForConditionalGeneration",
)


class AudioLanguageModel(ModuleBackend):
    """Audio language models: decoder-only models whose prompts hold sound."""

    reads = (
        "an audio language model (Qwen2-Audio, Granite Speech, Voxtral, Audio Flamingo 3, GLM-ASR, Qwen3-ASR)"
    )
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "1"
    half = "bfloat16"
    translates = writes_many = True
    times_words = False

    @override
    def functions(self) -> Any:
        from components.recognition.backends.audio_lm import decoder  # noqa: PLC0415 - imports torch

        return decoder

    @override
    def check_requests(self, checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
        self.functions().check_requests(checkpoint, requests)
