"""Layers in the names of tensors: the stack that a layer belongs to, its number, and the rest of the name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_LAYER = re.compile(r"(?P<stack>.+?)\.(?P<index>\d+)\.(?P<rest>.+)")
_BEFORE = re.compile(r"embed|wte|wpe|shared|conv|patch|position")


class LayerName(NamedTuple):
    """``model.layers.7.mlp.weight``: stack ``model.layers``, number 7, rest ``mlp.weight``."""

    stack: str
    number: int
    rest: str


def layer_of(name: str) -> LayerName | None:
    """Return the layer that a tensor belongs to; None for embeddings, final norms and the like."""
    match = _LAYER.fullmatch(name)
    return LayerName(match["stack"], int(match["index"]), match["rest"]) if match else None


def count_layers(names: Iterable[str]) -> dict[str, int]:
    """Count the layers of each stack that occurs in names of tensors."""
    layer_counts: dict[str, int] = {}
    for name in names:
        layer = layer_of(name)
        if layer is not None:
            layer_counts[layer.stack] = max(layer_counts.get(layer.stack, 0), layer.number + 1)
    return layer_counts


def precedes_layers(name: str) -> bool:
    """Return whether a tensor outside of the layers, by its name, is used before them rather than after."""
    return _BEFORE.search(name) is not None


def in_module(name: str, module: str) -> bool:
    """Return whether a tensor is part of a module (``decoder`` of ``model.decoder.layers.0.fc1.weight``)."""
    return module in name.split(".")
