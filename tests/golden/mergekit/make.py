"""Write what mergekit's own code gives for small tensors; run once in an environment that has mergekit.

    python tests/golden/mergekit/make.py

The tests read ``methods.safetensors`` and need no mergekit. It was written with commit
a6e4028 (June 2026) and torch 2.13.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from mergekit.merge_methods.arcee_fusion import ArceeFusionMergeTask
from mergekit.merge_methods.karcher import karcher_merge_tensors
from mergekit.merge_methods.model_stock import ModelStockMergeTask
from mergekit.merge_methods.multislerp import multislerp
from mergekit.merge_methods.nearswap import nearswap_merge
from mergekit.merge_methods.ram import ram_merge, ramplus_tl_merge
from mergekit.merge_methods.sce import sce_merge
from safetensors.torch import save_file
from torch import Tensor

SHAPES = {"matrix": (24, 16), "vector": (40,), "kernel": (6, 5, 3)}


def models(shape: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    """A base and three models, half of whose differences from it are 0."""
    random = torch.Generator().manual_seed(len(shape))
    base = torch.randn(shape, generator=random) * 0.05
    draws = [torch.randn(shape, generator=random) * 0.01 for _ in range(3)]
    kept = [torch.rand(shape, generator=random) < 0.5 for _ in range(3)]
    return [base.to(dtype), *((base + d * k).to(dtype) for d, k in zip(draws, kept, strict=True))]


def run(task: type, tensors: list[Tensor], **values: object) -> Tensor:
    """Execute one of mergekit's tasks without its graph."""
    names = ["base", "a", "b", "c"][: len(tensors)]
    self = SimpleNamespace(base_model="base", weight_info=SimpleNamespace(is_embed=False), **values)
    for name in ("_compute_importance", "get_rectified_weights"):
        if hasattr(task, name):
            setattr(self, name, getattr(task, name).__get__(self))
    return task.execute(self, dict(zip(names, (t.clone() for t in tensors), strict=True)))


def outputs(base: Tensor, a: Tensor, b: Tensor, c: Tensor) -> dict[str, Tensor]:
    """Output of every method, by the name of its case."""
    three, shares = [a, b, c], [0.6, 0.3, 0.5]
    return {
        "multislerp": multislerp([x.clone() for x in three], shares),
        "multislerp_base": multislerp([x.clone() for x in three], shares, base),
        "multislerp_plain": multislerp([x.clone() for x in three], shares, None, normalize_weights=False),
        "karcher": karcher_merge_tensors(three, [1 / 3] * 3),
        "sce": sce_merge(three, base),
        "sce_topk": sce_merge(three, base, select_topk=0.4),
        "model_stock": run(ModelStockMergeTask, [base, *three], filter_wise=False),
        "model_stock_rows": run(ModelStockMergeTask, [base, *three], filter_wise=True),
        "nearswap": nearswap_merge([a], base, 0.003),
        "arcee_fusion": run(ArceeFusionMergeTask, [base, a]),
        "ram": ram_merge(three, base, 1e-3),
        "ramplus_tl": ramplus_tl_merge(three, base, r=0.3, alpha=0.9, epsilon=1e-3),
    }


def main() -> None:
    """Write inputs and outputs beside this file."""
    tensors: dict[str, Tensor] = {}
    for dtype in (torch.float32, torch.bfloat16):
        kind = str(dtype).removeprefix("torch.")
        for name, shape in SHAPES.items():
            inputs = models(shape, dtype)
            for model, tensor in zip(("base", "a", "b", "c"), inputs, strict=True):
                tensors[f"{kind}/{model}/{name}"] = tensor
            for case, tensor in outputs(*inputs).items():
                tensors[f"{kind}/{case}/{name}"] = tensor.contiguous()
    save_file(tensors, Path(__file__).with_name("methods.safetensors"))


if __name__ == "__main__":
    main()
