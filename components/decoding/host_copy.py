"""Reading tensors on the host: several in one copy, because each copy waits for the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def copy_to_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors of whole numbers below 2 ** 53, booleans and floats, on the CPU, in one copy."""
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return list(tensors)
    flat = torch.cat([tensor.double().flatten() for tensor in tensors]).cpu()
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view(t.shape).to(t.dtype) for part, t in zip(parts, tensors, strict=True)]


def first_true(flags: Tensor, count: int) -> Tensor:
    """Return positions of the ``count`` flags (n,) that are True; known to be so many, no device is asked."""
    if flags.device.type == "cpu":
        return flags.nonzero()[:, 0]
    return flags.logical_not().to(torch.uint8).argsort(stable=True)[:count]
