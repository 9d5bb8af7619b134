"""How many windows of sound are decoded together."""

from __future__ import annotations

from components.compute.batch_sizes import choose_batch_size
from components.compute.machine import resolve_device_name
from components.recognition.config import RecognitionConfig

ENCODER_POSITIONS = 1500
"""Of a window of 30 seconds, whose keys and values the decoder keeps."""
LARGEST_POSITION = 2 * 32 * 1280 * 4
"""Bytes of a position's keys and values in the 32 layers of Whisper large, in float32."""


def choose_windows(config: RecognitionConfig) -> int:
    """Choose how many windows are decoded together; ``auto`` counts with the largest Whisper's memory."""
    usual = RecognitionConfig.model_fields["batch_size"].default
    device = resolve_device_name(config.device)
    positions = ENCODER_POSITIONS + config.beam_size * config.max_tokens
    return choose_batch_size(config.batch_size, usual, device, lambda: positions * LARGEST_POSITION)
