"""Torch devices, arithmetic types, threads and seeds."""

from __future__ import annotations

import os
import random

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from components.compute.machine import WORKER_CARD, resolve_device_name, resolve_dtype_name
from components.compute.torch_facts import THREADS, allow_tf32
from components.errors import ConfigError

use_threads, count_torch_threads = THREADS.use, THREADS.count
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """Return the torch device of a name, as :func:`components.compute.machine.resolve_device_name` reads it.

    Raises:
        ConfigError: the name is unknown, or this machine has no such device.
    """
    device = torch.device(resolve_device_name(name))
    if device.type == "cuda":
        if not torch.cuda.is_available():  # planned for workers, and computed here
            raise ConfigError(
                f"device: expected a CUDA device here, found none: {WORKER_CARD} says that workers have one, "
                "but this is computed by the process of the flow; set its device to cpu"
            )
        allow_tf32()
    return device


def joined_processes_here() -> int:
    """Return how many processes of this machine have joined to train together; 0 where this one is alone."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return 0
    return int(os.environ.get("LOCAL_WORLD_SIZE", dist.get_world_size()))


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the torch type of a name, after a trial computation on the device.

    Args:
        name: float32, bfloat16, float16, or auto (see :func:`components.compute.machine.resolve_dtype_name`).
        device: the device that has to compute in it.

    Raises:
        ConfigError: the name is unknown, or the device cannot compute in it.
    """
    name = resolve_dtype_name(name, str(device))
    if name not in DTYPES:
        raise ConfigError(f"dtype: expected one of {', '.join(DTYPES)}, found {name!r}")
    dtype = DTYPES[name]
    try:
        row = torch.ones(2, 4, dtype=dtype, device=device)
        nn.functional.layer_norm(nn.functional.linear(row, row), (2,)).softmax(-1)
    except RuntimeError as error:
        raise ConfigError(f"dtype: {device} cannot compute in {name} ({error}); use float32") from error
    return dtype


def seed_device(device: str, seed: int) -> None:
    """Seed what is drawn from on a device: everything of this process on the CPU, a GPU's own generator.

    Shards of other devices compute at the same time, whose draws must not begin again.

    Args:
        device: as :func:`pick_device` reads it.
        seed: between 0 and 2**32 - 1.
    """
    torch_device = pick_device(device)
    if torch_device.type == "cuda":
        with torch.cuda.device(torch_device):
            torch.cuda.manual_seed(seed)
    elif torch_device.type == "mps":
        torch.mps.manual_seed(seed)
    else:
        random.seed(seed)
        np.random.seed(seed)  # libraries below us draw from the global generator
        torch.default_generator.manual_seed(seed)
