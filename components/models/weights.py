"""Copy a checkpoint's weights into a model and move it to a device, each fault said in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from components.compute.device import pick_dtype
from components.errors import ModelError, to_one_line
from components.models.checkpoints import read_header, verify, weight_files
from components.models.tensor_checks import refuse_integers, refuse_mismatch, refuse_non_finite
from components.records import Checkpoint

M = TypeVar("M", bound=nn.Module)


def copy_weights_into(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint's tensors into those of a state dict, by name.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite.
    """
    verify(checkpoint)
    folder = Path(checkpoint.path)
    stored = {name: shape for file in weight_files(folder) for name, (_, shape) in read_header(file).items()}
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    refuse_mismatch(checkpoint, expected, stored)
    refuse_integers(checkpoint, state)
    for name, tensor in _iterate_tensors(folder):
        state[name].copy_(tensor)
    refuse_non_finite(checkpoint, state.items())


def _iterate_tensors(folder: Path) -> Iterable[tuple[str, Tensor]]:
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    yield name, tensors.get_tensor(name)
        except SafetensorError as error:
            raise ModelError(f"{file}: not a safetensors file ({error}); fetch the model again") from error


def resolve_placement(
    device: torch.device | str, dtype: torch.dtype | str
) -> tuple[torch.device, torch.dtype]:
    """Return the device and type of weights by their names."""
    device = torch.device(device)
    return device, pick_dtype(dtype, device) if isinstance(dtype, str) else dtype


def move_model(checkpoint: Checkpoint, model: M, device: torch.device) -> M:
    """Move a model to a device as a whole; one that has no room for it is named."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        tensors = (*model.parameters(), *model.buffers())
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 2**30
        raise ModelError(
            f"{checkpoint.reference}: expected room for {needed:.1f} GiB of weights on {device}, found less "
            f"({to_one_line(error, 200)}); set dtype: bfloat16, or name a smaller or a quantized model, or a "
            "free device"
        ) from error


def count_parameters(model: nn.Module) -> int:
    """Count a model's weights; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())
