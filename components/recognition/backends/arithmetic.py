"""The arithmetic that a backend's linear layers compute in."""

from __future__ import annotations

import torch

from components.compute.device import pick_dtype
from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import can_pack
from components.compute.machine import resolve_dtype_name
from components.errors import ConfigError
from components.recognition.config import RecognitionConfig


def choose_arithmetic(
    config: RecognitionConfig, device: torch.device
) -> tuple[Arithmetic | None, torch.dtype]:
    """Return how the linear layers are packed, if they are, and the type in which the weights are loaded.

    Raises:
        ConfigError: int8 without its kernels, or a type that the device cannot compute in.
    """
    packed: dict[str, Arithmetic] = {"float32": "float32", "bfloat16": "bfloat16", "int8": "int8"}
    arithmetic = packed.get(resolve_dtype_name(config.dtype, str(device), "float16"))
    if device.type == "cpu" and arithmetic is not None and can_pack(arithmetic):
        return arithmetic, torch.float32
    if config.dtype == "int8":
        raise ConfigError(f"dtype: int8 needs a CPU with oneDNN's int8 kernels, found {device}; use float32")
    return None, pick_dtype(resolve_dtype_name(config.dtype, str(device), "float16"), device)
