"""How much of a model a fine-tuning changed, layer by layer."""

from __future__ import annotations

import math
from pathlib import Path

from components.errors import MergeError
from components.merging.architecture.layer_names import layer_of
from components.merging.architecture.tied_weights import find_stored_name
from components.merging.io.model_folder import ModelFolder

PIECE = 1 << 22
"""Elements that are read at a time."""


def measure_changes(tuned: Path, start: Path) -> list[dict[str, str]]:
    """Compare two model folders.

    Returns:
        A row for each layer and for each tensor outside of layers: its name, elements, and the norm of the
        change over the norm of the weights before.

    Raises:
        MergeError: the models have other tensors.
    """
    sums: dict[str, list[float]] = {}
    with ModelFolder(tuned, str(tuned)) as after, ModelFolder(start, str(start)) as before:
        for name, entry in after.tensors.items():
            if not entry.dtype.is_floating_point:
                continue
            stored = find_stored_name(name, before.tensors)
            if stored is None or before.tensors[stored].shape != entry.shape:
                raise MergeError(
                    f"{start}: expected tensor {name} {list(entry.shape)} as in {tuned}, found none; a "
                    "task vector is the difference of two models of one architecture"
                )
            layer = layer_of(name)
            row = sums.setdefault(f"{layer.stack}.{layer.number}" if layer else name, [0.0, 0.0, 0.0])
            row[0] += entry.numel
            for first in range(0, entry.numel, PIECE):
                last = min(first + PIECE, entry.numel)
                weights = before.read(before.tensors[stored], first, last).float()
                row[1] += float((after.read(entry, first, last).float() - weights).square().sum())
                row[2] += float(weights.square().sum())
    return [
        {
            "layer": name,
            "weights": f"{int(count):,}",
            "change": f"{math.sqrt(change / norm):.3%}" if norm else "from zero",
        }
        for name, (count, change, norm) in sums.items()
    ]
