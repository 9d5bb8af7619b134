"""The row of the backend ``seq2seq``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.recognition.backends.windowed import ModuleBackend

if TYPE_CHECKING:
    from components.recognition.windowed.request import Request
    from components.records import Checkpoint

ARCHITECTURES = (
    *("MoonshineForConditionalGeneration", "MoonshineStreamingForConditionalGeneration"),
    *("Speech2TextForConditionalGeneration", "SeamlessM4TModel", "SeamlessM4TForSpeechToText"),
    *("SeamlessM4Tv2Model", "SeamlessM4Tv2ForSpeechToText"),
    *("CanaryForConditionalGeneration", "CohereAsrForConditionalGeneration"),
)


class SpeechSeq2Seq(ModuleBackend):
    """Encoder-decoders of speech beside Whisper."""

    reads = "an encoder-decoder of speech (Moonshine, Speech2Text, SeamlessM4T, Canary, Cohere ASR)"
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "1"
    half = "bfloat16"
    translates = writes_many = True
    times_words = False

    @override
    def functions(self) -> Any:
        from components.recognition.backends.seq2seq import decoder  # noqa: PLC0415 - imports torch

        return decoder

    @override
    def check_requests(self, checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
        self.functions().check_requests(checkpoint, requests)
