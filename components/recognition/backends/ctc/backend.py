"""The row of the backend ``ctc``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.models.architectures import SPEECH_CTC
from components.recognition.backends.windowed import WindowedBackend

if TYPE_CHECKING:
    import torch

    from components.recognition.config import RecognitionConfig
    from components.recognition.windowed.decoder import WindowDecoder
    from components.records import Checkpoint

ARCHITECTURES = (
    *("Wav2Vec2ForCTC", "Wav2Vec2ConformerForCTC", "Wav2Vec2BertForCTC", "Data2VecAudioForCTC"),
    *("HubertForCTC", "WavLMForCTC", "UniSpeechForCTC", "UniSpeechSatForCTC", "SEWForCTC", "SEWDForCTC"),
    *("ParakeetForCTC", "LasrForCTC", SPEECH_CTC),
)


class Ctc(WindowedBackend):
    """Models that label the frames of speech."""

    reads = "a CTC model (Wav2Vec2, HuBERT, WavLM, Parakeet CTC and the like, or one of train_ctc)"
    architectures = tuple(name.lower() for name in ARCHITECTURES)
    version = "1"
    half = "float32"

    @override
    def load(self, checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> Any:
        from components.recognition.backends.ctc.model import load  # noqa: PLC0415 - imports torch

        return load(checkpoint, config, device)

    @override
    def build_decoder(
        self, config: RecognitionConfig, loaded: Any, checkpoint: Checkpoint
    ) -> WindowDecoder[Any]:
        from components.recognition.backends.ctc.model import build_decoder  # noqa: PLC0415 - imports torch

        return build_decoder(loaded, checkpoint, config)
