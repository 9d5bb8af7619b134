"""Write the weights of an adapted model: file by file of its base, so that memory holds one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from components.models.adapters.merge import Update
from components.models.checkpoints import weight_files


@torch.no_grad()
def write_adapted(base: Path, folder: Path, updates: Mapping[str, Sequence[Update]]) -> None:
    """Write the safetensors files of ``base`` with its tensors updated; stored types stay.

    Args:
        base: a model folder.
        folder: gets files of the same names.
        updates: name of a tensor -> what is done to it, in order.
    """
    for file in weight_files(base):
        tensors = {}
        with safe_open(file, framework="pt") as stored:
            metadata = stored.metadata()
            for name in stored.keys():  # noqa: SIM118 - not a mapping
                tensor = stored.get_tensor(name)
                for update in updates.get(name, ()):
                    tensor = update(tensor)
                tensors[name] = tensor.contiguous()
        save_file(tensors, folder / file.name, metadata=metadata or {"format": "pt"})
