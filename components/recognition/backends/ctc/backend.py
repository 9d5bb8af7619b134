"""The row of the backend ``ctc``."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components.models.architectures import SPEECH_CTC
from components.recognition.backends.windowed import ModuleBackend

ARCHITECTURES = (
    *("Wav2Vec2ForCTC", "Wav2Vec2ConformerForCTC", "Wav2Vec2BertForCTC", "Data2VecAudioForCTC"),
    *("HubertForCTC", "WavLMForCTC", "UniSpeechForCTC", "UniSpeechSatForCTC", "SEWForCTC", "SEWDForCTC"),
    *("ParakeetForCTC", "LasrForCTC", SPEECH_CTC),
)


class Ctc(ModuleBackend):
    """Models that label the frames of speech."""

    reads = "a CTC model (Wav2Vec2, HuBERT, WavLM, Parakeet CTC and the like, or one of train_ctc)"
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "2"
    half = "float32"

    @override
    def functions(self) -> Any:
        from components.recognition.backends.ctc import model  # noqa: PLC0415 - imports torch

        return model
