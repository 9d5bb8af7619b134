"""Whisper's encoder states of utterances, for models that read speech.

Whisper pads every recording to 30 s, and encoding costs the same for one second as for thirty. Here a
recording is padded to ``window_seconds`` (longer ones: to their length), a quarter of the cost on short
captions. The states are then not bit for bit Whisper's own, because its attention sees less silence: at 8 s
their cosine similarity with those of the full window is at least 0.98 (measured on spoken captions; a test
holds it). A model is used with the window that it was trained with, which is part of its configuration.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components import audio
from components.compute.device import pick_device
from components.compute.machine import resolve_dtype_name
from components.compute.model_cache import model_cache
from components.errors import DataError
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.pooled_states import average_pool, compute_states
from components.records import Utterance
from components.stacking.config import ENCODER_STATES_VERSION, MAX_SECONDS, SpeechConfig


class SpeechEncoder:
    """Whisper's frozen encoder.

    Attributes:
        version: changes when the states do.
        width: of a state.
    """

    version: int = ENCODER_STATES_VERSION

    def __init__(self, config: SpeechConfig, store: str | None = None, device: str = "auto") -> None:
        self.config = config
        self.checkpoint = resolve(config.model, store)
        torch_device = pick_device(device)
        dtype = resolve_dtype_name("auto", str(torch_device), "float16")
        key = ("speech encoder", *self.checkpoint.identity, str(torch_device), dtype)
        self._encoder = model_cache.get(
            key, lambda: WhisperEncoder(load_whisper(self.checkpoint, torch_device, dtype))
        )
        self.width = int(self._encoder.positional_embedding.shape[1])

    @torch.inference_mode()
    def encode(self, utterance: Utterance) -> Tensor:
        """Encode an utterance: states (T, ``width``) in float16, one each ``pooling`` / 50 seconds.

        Raises:
            DataError: it has no audio, or more than 30 s of it.
        """
        if utterance.audio is None:
            raise DataError("expected audio to listen to, found text only: synthesise it first")
        if utterance.audio.seconds > MAX_SECONDS:
            raise DataError(
                f"expected at most {MAX_SECONDS:g} s of audio, found {utterance.audio.seconds:.1f}: cut it"
            )
        states = compute_states(self._encoder, audio.decode(utterance.audio), self.config.window_seconds)
        return average_pool(states, self.config.pooling).half().cpu()
