"""Memory for the gradients of the experts' weights on the CPU, reused once nothing refers to it.

The C library gives large blocks back to the system when they are freed, so the gradients of every pass would
be written to fresh pages, and for a few hundred tokens fresh pages cost as much as the products. Here the
pages of a weight's last gradient serve the next one, when all tensors that share them are gone.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

LARGE_BYTES = 2**22
"""Bytes of a gradient from which on its pages are kept."""
_free_pages: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""Weight -> pages that no tensor refers to any more; they go with the weight."""


def allocate_gradient(weight: Tensor, tokens_per_expert: Sequence[int]) -> Tensor:
    """Allocate a weight's gradient (E, ...): zero for experts without tokens, else uninitialized."""
    out = (
        _reuse_pages(weight)
        if weight.device.type == "cpu" and weight.nbytes >= LARGE_BYTES
        else torch.empty_like(weight)
    )
    for expert, size in enumerate(tokens_per_expert):
        if not size:
            out[expert].zero_()
    return out


def _reuse_pages(weight: Tensor) -> Tensor:
    free: list[mmap.mmap] = _free_pages.setdefault(weight, [])  # type: ignore[no-untyped-call]
    pages = free.pop() if free else None
    if pages is None or len(pages) != weight.nbytes:  # none yet, or the weight has another type since
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        pages = mmap.mmap(-1, weight.nbytes, **private)
    view = memoryview(pages)  # the tensor's storage holds it, and nothing else does
    weakref.finalize(view, free.append, pages).atexit = False
    return torch.frombuffer(view, dtype=weight.dtype).view(weight.shape)
