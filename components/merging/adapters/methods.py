"""What can be done with the matrices of several adapters in one module: the kinds of PEFT's own merge.

``linear`` and what trims work on the A and on the B matrices, each with the square root of the weight: the
product then has cross terms, and PEFT calls it rough. ``cat`` is exact, ``svd`` the best approximation of a
rank. PEFT's functions compute them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError
from components.models.adapters.merge import EMBEDDING, LINEAR, module_delta
from components.models.adapters.tensors import Adapter

Combine = Callable[[list[Tensor], Tensor], Tensor]
"""(tensors of the adapters, weights) -> their combination."""


class AdapterMethod(NamedTuple):
    """One way to combine adapters.

    Attributes:
        function: name of PEFT's function in ``peft.utils.merge_utils``; empty for ``cat``.
        by_svd: whether the products B A are combined, and factored again.
        trims: whether it takes a ``density``.
        elects_sign: whether it takes a ``majority_sign_method``.
        aligned: whether the products are combined in the basis that an SVD of all of them side by side gives
            (Stoica et al. 2025, KnOTS).
    """

    function: str
    by_svd: bool = False
    trims: bool = False
    elects_sign: bool = False
    aligned: bool = False


ADAPTER_METHODS: dict[str, AdapterMethod] = {
    "linear": AdapterMethod("task_arithmetic"),
    "cat": AdapterMethod(""),
    "svd": AdapterMethod("task_arithmetic", by_svd=True),
    **{
        name + suffix: AdapterMethod(name, by_svd=bool(suffix), trims=True, elects_sign=name.endswith("ties"))
        for name in ("ties", "dare_linear", "dare_ties", "magnitude_prune")
        for suffix in ("", "_svd")
    },
    "knots_ties": AdapterMethod("ties", by_svd=True, trims=True, elects_sign=True, aligned=True),
    "knots_dare_ties": AdapterMethod("dare_ties", by_svd=True, trims=True, elects_sign=True, aligned=True),
}
"""PEFT's name of a combination, or KnOTS's -> how it is computed."""


class AdapterMergeSettings(NamedTuple):
    """Parameters of a merge of adapters.

    Attributes:
        method: a key of :data:`ADAPTER_METHODS`.
        weights: one per adapter.
        density: share of the values that are kept.
        majority_sign_method: ``total`` or ``frequency``.
        svd_rank: rank of the result of an SVD; None for the largest of the adapters'.
        svd_clamp: quantile at which the factors are clamped; None for no clamping.
    """

    method: str
    weights: tuple[float, ...]
    density: float
    majority_sign_method: str
    svd_rank: int | None
    svd_clamp: float | None


def output_rank(adapters: Sequence[Adapter], settings: AdapterMergeSettings) -> int:
    """Return the rank of the merged adapter.

    Raises:
        MergeError: The method combines A and B each, and the ranks differ.
    """
    ranks = [max([a.config.rank, *a.config.rank_pattern.values()]) for a in adapters]
    if settings.method == "cat":
        return sum(ranks)
    if ADAPTER_METHODS[settings.method].by_svd:
        return settings.svd_rank or (sum(ranks) if ADAPTER_METHODS[settings.method].aligned else max(ranks))
    all_ranks = {a.config.rank_of(module) for a in adapters for module in a.modules}
    if len(all_ranks) > 1:
        raise MergeError(
            f"{settings.method}: expected adapters of one rank, found {sorted(all_ranks)}; use cat, svd or "
            f"{'svd' if settings.method == 'linear' else settings.method + '_svd'}"
        )
    return all_ranks.pop()


def merge_module(
    module: str, adapters: Sequence[Adapter], settings: AdapterMergeSettings, rank: int
) -> tuple[Tensor, Tensor]:
    """Combine the matrices of one module; adapters that do not have it take no part.

    Returns:
        A (rank, in) and B (out, rank), whose product is what is added to the base: its scale is 1.
    """
    present = [(a, w) for a, w in zip(adapters, settings.weights, strict=True) if module in a.modules]
    row = ADAPTER_METHODS[settings.method]
    if settings.method == "cat":
        return _concatenate(module, present, rank)
    combine = _combination(row, settings)
    if row.by_svd:
        combine = _align(combine) if row.aligned else combine
        return _factor(module, present, combine, rank, settings.svd_clamp)
    factors = [a.config.scale_of(module) * w for a, w in present]
    roots = [math.sqrt(abs(factor)) for factor in factors]
    signed = [math.copysign(root, factor) for root, factor in zip(roots, factors, strict=True)]
    pairs = [_read_pair(a, module) for a, _ in present]
    return (
        combine([a for a, _ in pairs], torch.tensor(signed)),
        combine([b for _, b in pairs], torch.tensor(roots)),
    )


def _combination(row: AdapterMethod, settings: AdapterMergeSettings) -> Combine:
    from peft.utils import merge_utils  # noqa: PLC0415 - an extra

    arguments: Mapping[str, object] = {
        **({"density": settings.density} if row.trims else {}),
        **({"majority_sign_method": settings.majority_sign_method} if row.elects_sign else {}),
    }
    function = getattr(merge_utils, row.function)
    return lambda tensors, weights: function(tensors, weights, **arguments)


def _align(combine: Combine) -> Combine:
    """Combine matrices (rows, columns) in a basis that they share (Stoica et al. 2025, KnOTS).

    With U S [V_1 .. V_n] the SVD of all side by side, only the V_i, each model's own, are combined.
    """

    def combine_aligned(tensors: list[Tensor], weights: Tensor) -> Tensor:
        side_by_side = torch.cat(tensors, 1).double()
        u, s, vh = torch.linalg.svd(side_by_side, full_matrices=False)
        rank = int((s > s[:1] * max(side_by_side.shape) * torch.finfo(torch.float32).eps).sum())
        own = [part.float() for part in vh[:rank].split(tensors[0].shape[1], dim=1)]
        merged: Tensor = (u[:, :rank] * s[:rank]).float() @ combine(own, weights)
        return merged.to(tensors[0].dtype)

    return combine_aligned


def _concatenate(module: str, present: Sequence[tuple[Adapter, float]], rank: int) -> tuple[Tensor, Tensor]:
    pairs = [(_read_pair(a, module), w, a.config.scale_of(module)) for a, w in present]
    a = torch.cat([pair[0] * weight * scale for pair, weight, scale in pairs], dim=0)
    b = torch.cat([pair[1] for pair, _, _ in pairs], dim=1)
    missing = rank - len(a)
    return torch.nn.functional.pad(a, (0, 0, 0, missing)), torch.nn.functional.pad(b, (0, missing))


def _factor(
    module: str, present: Sequence[tuple[Adapter, float]], combine: Combine, rank: int, clamp: float | None
) -> tuple[Tensor, Tensor]:
    """Combine the products and factor them by a singular value decomposition."""
    delta = combine([module_delta(a, module) for a, _ in present], torch.tensor([w for _, w in present]))
    first = present[0][0]
    if first.config.transposed or "embedding_A" in first.modules[module]:
        delta = delta.T
    u, s, vh = torch.linalg.svd(delta, full_matrices=True)
    b, a = u[:, :rank] @ torch.diag(s[:rank]), vh[:rank]
    if clamp is not None:
        high = torch.quantile(torch.cat([b.flatten(), a.flatten()]), clamp)
        a, b = a.clamp(-high, high), b.clamp(-high, high)
    missing = rank - len(a)
    return torch.nn.functional.pad(a, (0, 0, 0, missing)), torch.nn.functional.pad(b, (0, missing))


def _read_pair(adapter: Adapter, module: str) -> tuple[Tensor, Tensor]:
    slots = adapter.modules[module]
    names = EMBEDDING if "embedding_A" in slots else LINEAR
    a, b = (adapter.read(slots[name]).float() for name in names)
    return a, b
