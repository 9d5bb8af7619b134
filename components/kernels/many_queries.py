"""Attention of many queries, as in an encoder: both of its products by the kernel of packed weights.

The panels of 64 that :mod:`.llvm.product` reads are those of the keys, transposed; values of 64 numbers are
one panel as they are. A block of scores stays near the processor from one product to the other, whereas
torch's fused kernel multiplies small blocks, at half of the speed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from components.kernels.exponentials import exponentiate
from components.kernels.llvm.tile import COLUMNS
from components.kernels.packed_product import multiply_panels

_BLOCK = 256
"""Queries whose scores are computed together: 1.5 MB at 1,500 keys."""


def attend_by_panels(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """See :meth:`components.compute.layers.kernels.Kernels.attend`; heads of 64 float32 numbers."""
    heads, n, width = queries.shape
    filling = -keys.shape[1] % COLUMNS
    keys, values = (functional.pad(x, (0, 0, 0, filling)).contiguous() for x in (keys * width**-0.5, values))
    keys = keys.view(heads, -1, COLUMNS, width).transpose(2, 3).contiguous()
    bias, nothing = functional.pad(bias, (0, filling), value=-torch.inf), torch.zeros(COLUMNS)
    queries, sums = queries.contiguous(), torch.empty(heads, n, 1)
    out = torch.empty(heads, n, width)
    scores = torch.empty(min(n, _BLOCK), len(bias))
    for head in range(heads):
        for start in range(0, n, _BLOCK):
            block = queries[head, start : start + _BLOCK]
            weights = scores[: len(block)]
            multiply_panels(block, keys[head], bias, weights)
            weights -= weights.amax(1, keepdim=True)
            total = exponentiate(weights, weights)
            assert total is not None  # whole vectors of float32 on a processor that multiplies panels
            sums[head, start : start + _BLOCK] = total
            multiply_panels(weights, values[head][None], nothing, out[head, start : start + _BLOCK])
    return out.div_(sums).transpose(0, 1).flatten(1)
