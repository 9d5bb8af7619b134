"""A layer of ours without some of its experts: their tokens go to the next best ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router, Routing


class _MaskedRouter(nn.Module):
    """A router that never chooses the experts ``removed`` (by number)."""

    def __init__(self, router: Router, removed: Collection[int]) -> None:
        super().__init__()
        self.router, self.removed = router, sorted(removed)
        self.weight, self.needs_lengths = router.weight, router.needs_lengths

    def forward(self, x: Tensor, lengths: Sequence[int] | None = None) -> Routing:
        gone = torch.tensor(self.removed, device=x.device)
        logits = self.router(x, lengths).logits.index_fill(-1, gone, -torch.inf)
        return self.router.choose(logits, lengths, logits.shape[-1] - len(self.removed))


@contextmanager
def without_experts(block: MoEBlock, removed: Collection[int]) -> Iterator[None]:
    """Keep the experts ``removed`` of a layer from being chosen; if those are all, it outputs zeros."""
    router = block.router
    if not removed:
        yield
    elif len(set(removed)) == router.weight.shape[0]:
        hook = block.register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
        try:
            yield
        finally:
            hook.remove()
    else:
        block.router = _MaskedRouter(router, removed)  # type: ignore[assignment]
        try:
            yield
        finally:
            block.router = router
