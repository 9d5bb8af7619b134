"""The sparse layer: a router and E feed-forward experts, of which k compute each token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from components.compute.layers.kernels import Activation, Arithmetic, require_kernels
from components.compute.layers.packed_linear import can_pack
from components.networks.moe.dispatch import Dispatch, combine, dispatch, one_for_all
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.router import Router, Routing


@dataclass(frozen=True)
class RoutingRecord:
    """One pass of one layer: its name, the routing of its tokens (without padding), and their dispatch."""

    layer: str
    routing: Routing
    plan: Dispatch


class MoEBlock(nn.Module):
    """Router and experts in the place of a feed-forward network: (..., D) -> (..., D).

    ``positions`` (T) are those of the tokens among all rows of x; the others are padding, which is not routed
    and gets zeros; None: all are tokens. ``recorder`` is called with a :class:`RoutingRecord` of every pass;
    :func:`record_routing` sets both.

    Args:
        router: chooses the experts of each token.
        experts: the experts.
        capacity: tokens per expert at most, in training mode, as a multiple of an equal share; None: no
            bound.
        shared: one more expert that computes every token with a gate of 1 (DeepSeekMoE, Dai et al., 2024:
            several such experts are one of their joint width).
    """

    def __init__(
        self,
        router: Router,
        experts: GroupedExperts,
        capacity: float | None = None,
        shared: GroupedExperts | None = None,
    ) -> None:
        super().__init__()
        self.router, self.capacity = router, capacity
        self.shared: nn.Module | None = shared
        self.experts: nn.Module = experts
        self.name = ""
        self.positions: Tensor | None = None
        self.recorder: Callable[[RoutingRecord], None] | None = None

    def lay_out(self, arithmetic: Arithmetic) -> int:
        """Pack the experts' weights in place, for inference on a CPU.

        Returns:
            How many products were replaced; 0 where the weights cannot be packed.
        """
        experts = self.experts
        if (
            not isinstance(experts, GroupedExperts)
            or experts.up.device.type != "cpu"
            or not can_pack(arithmetic)
        ):
            return 0
        self.experts = PackedExperts(experts, arithmetic)
        if isinstance(self.shared, GroupedExperts):
            self.shared = PackedExperts(self.shared, arithmetic)
        return 2 * (experts.n_experts + (self.shared is not None))

    def _lengths(self, x: Tensor) -> list[int] | None:
        """Return tokens of each sentence (N, S, D), for experts that choose; None where tokens choose."""
        if not self.router.needs_lengths or x.dim() < 3:
            return None
        width = x.shape[-2]
        count = x.shape[:-1].numel() // width
        if self.positions is None:
            return [width] * count
        lengths: list[int] = torch.bincount(self.positions // width, minlength=count).tolist()
        return lengths

    def forward(self, x: Tensor) -> Tensor:
        """Route the tokens, compute them by their experts, combine the outputs."""
        rows = x.reshape(-1, x.shape[-1])
        n_rows, positions = len(rows), self.positions
        if positions is not None:
            rows = rows.index_select(0, positions)
        routing = self.router(rows, self._lengths(x))
        plan = dispatch(routing, self.capacity if self.training else None)
        if self.recorder is not None:
            self.recorder(RoutingRecord(self.name, routing, plan))
        out = combine(self.experts(rows, plan), plan, routing.gates)
        if self.shared is not None:
            out = out + self.shared(rows, one_for_all(len(rows), rows.device))
        if positions is not None:
            out = out.new_zeros(n_rows, out.shape[-1]).index_copy(0, positions, out)
        return out.view(x.shape).to(x.dtype)


def moe_blocks(model: nn.Module) -> dict[str, MoEBlock]:
    """Return the mixture-of-experts layers of a model by their names in it."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MoEBlock)}


@contextmanager
def record_routing(model: nn.Module, masks: Callable[[str], Tensor | None]) -> Iterator[list[RoutingRecord]]:
    """Record every pass of a model's mixture-of-experts layers within the ``with`` block.

    Args:
        model: the model.
        masks: layer name -> its mask, False at padding, which is then not routed; None routes everything.

    Yields:
        The list to which the records are appended.
    """
    records: list[RoutingRecord] = []
    blocks = moe_blocks(model)
    known: dict[int, Tensor] = {}

    def positions_of(mask: Tensor | None) -> Tensor | None:
        if mask is None:
            return None
        if id(mask) not in known:  # once for the layers that share it: the device is waited for
            known[id(mask)] = mask.flatten().nonzero()[:, 0]
        return known[id(mask)]

    try:
        for name, block in blocks.items():
            block.name, block.positions, block.recorder = name, positions_of(masks(name)), records.append
        yield records
    finally:
        for block in blocks.values():
            block.positions, block.recorder = None, None


_KERNEL_ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "swish": "silu", "relu": "relu", "gelu": "gelu"}


class PackedExperts(nn.Module):
    """Experts with packed weights: same outputs, no gradients, cannot be saved.

    Batched decoding gives an expert a handful of tokens per step, where a product with a plain matrix spends
    most of its time packing it for the matrix units (see :mod:`components.compute.layers.packed_linear`).

    Args:
        experts: the experts whose weights are packed.
        arithmetic: arithmetic of the products.
    """

    def __init__(self, experts: GroupedExperts, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.width, self.inner = experts.width, experts.inner
        activation = _KERNEL_ACTIVATIONS[experts.activation]
        ups, downs = (
            _weights_and_biases(experts.up, experts.up_bias),
            _weights_and_biases(experts.down, experts.down_bias),
        )
        pack = require_kernels().pack
        self.ups = [pack(weight, bias, arithmetic, activation, experts.gated) for weight, bias in ups]
        self.downs = [pack(weight, bias, arithmetic) for weight, bias in downs]

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Compute the experts' outputs (S, D) for tokens (T, D), in the order of ``plan``."""
        rows = x.index_select(0, plan.tokens)
        # One for all experts: it stays in the cache.
        inner = torch.empty(max(plan.tokens_per_expert), self.inner)
        outputs, start = torch.empty(len(rows), self.width), 0
        for up, down, size in zip(self.ups, self.downs, plan.tokens_per_expert, strict=True):
            if size:
                part = slice(start, start + size)
                down(up(rows[part], inner[:size]), outputs[part])
            start += size
        return outputs.to(x.dtype)


def _weights_and_biases(weight: Tensor, bias: Tensor | None) -> Iterable[tuple[Tensor, Tensor | None]]:
    return zip(weight, [None] * len(weight) if bias is None else bias, strict=True)
