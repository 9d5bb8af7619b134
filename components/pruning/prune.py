"""Pruning a model: mask its linear layers, check the score, use sparse products where they are faster."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn

from components.errors import ConfigError, ModelError
from components.pruning.masks import fits_pattern, mask_by_magnitude, masks_together
from components.pruning.sparse_linear import (
    Layout,
    SparseLinear,
    find_fastest_layout,
    semi_structured_obstacle,
)

_log = logging.getLogger("antiphon.sparsity")


class Shares(NamedTuple):
    """Which share of the weights stays where.

    Attributes:
        pattern: where the zeros may be: single, block or N:M.
        keep: share of the weights that stay; of N:M it is N / M.
        by_layer: a part of layers' names -> the share that stays there; the first that fits counts.
        whole: the largest stay in whichever layer they are, not the same share of each.
    """

    pattern: str
    keep: float = 0.5
    by_layer: Mapping[str, float] = {}
    whole: bool = False


def find_layers(model: nn.Module, pattern: str) -> dict[str, nn.Linear]:
    """Return the layers that can be pruned, by name: linear ones of a suitable shape, but no tied output."""
    embedded = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    return {
        name: layer
        for name, layer in model.named_modules()
        if type(layer) is nn.Linear
        and id(layer.weight) not in embedded
        and fits_pattern(layer.weight, pattern)
    }


@torch.no_grad()
def mask_layers(layers: Mapping[str, nn.Linear], shares: Shares) -> float:
    """Set the smallest weights of layers to zero.

    Returns:
        The share of the layers' weights that is zero.

    Raises:
        ConfigError: a name of ``by_layer`` is part of no layer's.
    """
    unknown = [part for part in shares.by_layer if not any(part in name for name in layers)]
    if unknown:
        raise ConfigError(
            f"keep_by_layer: expected parts of the names of layers such as {next(iter(layers), 'none')}, "
            f"found {unknown[0]!r}"
        )
    own = {
        name: next((share for part, share in shares.by_layer.items() if part in name), None)
        for name in layers
    }
    together = [name for name, share in own.items() if share is None and shares.whole]
    masks = (
        masks_together([layers[name].weight for name in together], shares.pattern, shares.keep)
        if together
        else []
    )
    known = dict(zip(together, masks, strict=True))
    zeros, total = 0, 0
    for name, layer in layers.items():
        share = own[name]
        mask = known.get(name)
        if mask is None:
            mask = mask_by_magnitude(layer.weight, shares.pattern, shares.keep if share is None else share)
        layer.weight.mul_(mask)
        zeros, total = zeros + int((layer.weight == 0).sum()), total + layer.weight.numel()
    return zeros / max(1, total)


def measure_layouts(
    layers: Mapping[str, nn.Linear], pattern: str, rows: int
) -> dict[str, tuple[Layout, float]]:
    """Return the fastest layout of each pruned layer here, and its time over that of the dense one."""
    if pattern == "2:4":
        reasons = dict.fromkeys(semi_structured_obstacle(layer.weight) for layer in layers.values())
        for reason in filter(None, reasons):
            _log.warning("2:4 kernels are not used: %s", reason)
    return {name: find_fastest_layout(layer.weight, pattern, rows) for name, layer in layers.items()}


def use_layouts(model: nn.Module, layouts: Mapping[str, Layout]) -> None:
    """Put layers whose products leave the zeros out in the place of dense ones.

    Raises:
        ModelError: the model has no such linear layer.
    """
    for name, layout in layouts.items():
        if layout == "dense":
            continue
        parent, _, child_name = name.rpartition(".")
        try:
            layer = model.get_submodule(name)
        except AttributeError:
            layer = model
        if not isinstance(layer, nn.Linear):
            raise ModelError(f"sparse_layers: expected a linear layer {name}, found none")
        setattr(model.get_submodule(parent), child_name, SparseLinear(layer.weight, layer.bias, layout))


def require_score(pattern: str, before: float, after: float, tolerance: float) -> None:
    """Refuse a model that has lost more than it may. Raises ModelError."""
    if before - after > tolerance:
        raise ModelError(
            f"pattern {pattern}: expected to lose at most {tolerance:g}, found {before:.3f} -> {after:.3f}; "
            "the weights are as before: keep more of them, fine-tune, or allow a larger tolerance"
        )
