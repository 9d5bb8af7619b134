"""The row of the backend ``audio-lm``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.windowed import WindowedBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.windowed.decoder import WindowDecoder
    from components.recognition.windowed.request import Request
    from components.records import Checkpoint

ARCHITECTURES = (
    *("Qwen2AudioForConditionalGeneration", "VoxtralForConditionalGeneration"),
    *("GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration"),
    *("AudioFlamingo3ForConditionalGeneration", "GlmAsrForConditionalGeneration"),
    "Qwen3ASRForConditionalGeneration",
)


class AudioLanguageModel(WindowedBackend):
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
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.audio_lm.decoder import load  # noqa: PLC0415 - imports torch

        return load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        from components.recognition.backends.audio_lm.decoder import build_decoder  # noqa: PLC0415 - imports torch

        return build_decoder(loaded, checkpoint, config)

    @override
    def check_requests(self, checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
        from components.recognition.backends.audio_lm.decoder import check_requests  # noqa: PLC0415 - imports torch

        check_requests(checkpoint, requests)
