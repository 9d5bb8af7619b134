"""Monte-Carlo dropout of Whisper (Gal & Ghahramani 2016): channels of the encoder's output, a mask a window.

Whisper was trained without dropout, so the masks are of one place and the rate is a setting. A window's mask
depends on its sound and on the member's number: a batch gives what each window gives alone.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace

import torch
from torch import Tensor

from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend


class WhisperWithDropout(OpenAIWhisperBackend):
    """A loaded Whisper whose encoder's output loses a share of its channels.

    Args:
        inner: the model, whose weights are shared.
        number: of the masks.
        rate: share of the channels that is dropped; the others are scaled up by 1 / (1 - rate).
    """

    def __init__(self, inner: OpenAIWhisperBackend, number: int, rate: float) -> None:
        vars(self).update(vars(copy.copy(inner)))
        self._number, self._rate = number, rate

    def encode(self, mels: Tensor) -> EncoderOutput:
        """Encode windows (N, mels, frames), each with its mask over the channels of its states (N, T, d)."""
        output = super().encode(mels)
        masks = torch.stack([self._draw(window, output.states.shape[-1]) for window in mels])
        return replace(output, states=output.states * masks[:, None].to(output.states))

    def _draw(self, window: Tensor, width: int) -> Tensor:
        digest = hashlib.sha256(window.float().cpu().numpy().tobytes())
        digest.update(str(self._number).encode())
        seed = int.from_bytes(digest.digest()[:8], "big", signed=True)
        drawn = torch.rand(width, generator=torch.Generator().manual_seed(seed))
        return (drawn >= self._rate) / (1 - self._rate)
