"""Pruning a model: mask its linear layers, check the score, use sparse products where they are faster."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import nn

from components.errors import ModelError
from components.pruning.masks import Pattern, fits_pattern, mask_by_magnitude
from components.pruning.sparse_linear import SparseLinear, find_fastest_layout, semi_structured_obstacle
from components.records import Record

_log = logging.getLogger("antiphon.sparsity")


class PruningSummary(Record):
    """The result of pruning a model: scores before and after, and how many layers have which layout.

    ``zeros`` is the share of the pruned layers' weights that are zero.
    """

    pattern: str
    layers: int
    zeros: float
    before: float
    after: float
    layouts: dict[str, int]


@torch.no_grad()
def prune(
    model: nn.Module,
    pattern: Pattern,
    score: Callable[[], float],
    *,
    keep: float = 0.5,
    tolerance: float = 0.0,
    rows: int = 16,
) -> PruningSummary:
    """Prune the linear layers of ``model`` in place, and use sparse products where they are faster.

    Layers whose shape does not suit the pattern, and tied output layers, stay as they are.

    Args:
        model: the model.
        pattern: where the zeros may be.
        score: measures the model's quality on development data; higher is better.
        keep: share of the weights that stay.
        tolerance: by how much the score may fall.
        rows: tokens per product, for which the layouts are chosen.

    Returns:
        What was pruned, and the scores before and after.

    Raises:
        ModelError: where the score falls by more than ``tolerance``; the weights are then as they were.
    """
    embedded = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if type(layer) is nn.Linear
        and id(layer.weight) not in embedded
        and fits_pattern(layer.weight, pattern)
    }
    before, zeros, total = score(), 0, 0
    originals = {name: layer.weight.clone() for name, layer in layers.items()}
    for layer in layers.values():
        layer.weight.mul_(mask_by_magnitude(layer.weight, pattern, keep))
        zeros, total = zeros + int((layer.weight == 0).sum()), total + layer.weight.numel()
    after = score()
    if before - after > tolerance:
        for name, layer in layers.items():
            layer.weight.copy_(originals[name])
        raise ModelError(
            f"pattern {pattern}: expected to lose at most {tolerance:g}, found {before:.3f} -> {after:.3f}; "
            "the weights are as before: keep more of them, fine-tune, or allow a larger tolerance"
        )
    layouts = _replace(model, layers, pattern, rows)
    share = zeros / max(1, total)
    return PruningSummary(
        pattern=pattern, layers=len(layers), zeros=share, before=before, after=after, layouts=layouts
    )


def _replace(model: nn.Module, layers: dict[str, nn.Linear], pattern: Pattern, rows: int) -> dict[str, int]:
    """Put sparse layers in the place of dense ones where they are faster; layout -> number of layers."""
    layouts: dict[str, int] = {}
    for name, layer in layers.items():
        layout, _ = find_fastest_layout(layer.weight, pattern, rows)
        layouts[layout] = layouts.get(layout, 0) + 1
        if layout != "dense":
            parent, _, child_name = name.rpartition(".")
            setattr(model.get_submodule(parent), child_name, SparseLinear(layer.weight, layer.bias, layout))
    if pattern == "2:4":
        reasons = dict.fromkeys(semi_structured_obstacle(layer.weight) for layer in layers.values())
        for reason in filter(None, reasons):
            _log.warning("2:4 kernels are not used: %s", reason)
    return layouts
