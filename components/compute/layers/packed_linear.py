"""Linear layers with weights packed in advance for the CPU, in float32, bfloat16 or int8.

``torch.nn.Linear`` hands oneDNN a plain matrix that is packed anew in every call, which costs 2-4x on the
2-64 rows that batched decoding runs on. :func:`prepack` replaces the linear layers of a module by packed
ones.

Packed layers are compared with ``functional.linear`` once; where they are missing or disagree (other builds
of torch, other devices), a module's layers stay as they are. Inference only: a packed layer has no gradient
and cannot be saved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.compute.layers.kernels import (
    ACTIVATION_FUNCTIONS,
    Activation,
    Arithmetic,
    kernels,
    require_kernels,
)

_DTYPES: dict[Arithmetic, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
}
Projection = Callable[[Tensor], Tensor]
"""(..., in) -> (..., out)."""
_log = logging.getLogger("antiphon.kernels")


class PackedLinear(nn.Module):
    """``activation(x @ weight.T + bias)`` with a packed weight; the output's dtype is the input's."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
        gated: bool = False,
    ) -> None:
        """Pack ``weight``; the arguments are those of :meth:`.Kernels.pack`.

        Raises:
            RuntimeError: Packed layers of this arithmetic do not run here; see :func:`can_pack`.
        """
        super().__init__()
        self.out_features, self.in_features = weight.shape[0] // (1 + gated), weight.shape[1]
        self.arithmetic: Arithmetic = arithmetic
        self.activation: Activation = activation
        # Code that asks a layer for its weight's shape or dtype gets them without a second copy in memory.
        self.weight = torch.empty(weight.shape, dtype=_DTYPES[arithmetic], device="meta")
        self._product = require_kernels().pack(weight, bias, arithmetic, activation, gated)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) of the same dtype."""
        shape = (*x.shape[:-1], self.out_features)
        if x.numel() == 0:
            return x.new_empty(shape)
        out = self._product(x.reshape(-1, x.shape[-1])).view(shape)
        return out if out.dtype == x.dtype else out.to(x.dtype)

    def extra_repr(self) -> str:
        """Return what ``print(model)`` shows."""
        return f"{self.in_features}, {self.out_features}, {self.arithmetic}, {self.activation}"


class PlainLinear(nn.Module):
    """``activation(x @ weight.T + bias)`` by torch, in the weight's dtype; it shares the tensors given."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.activation: Activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return ACTIVATION_FUNCTIONS[self.activation](functional.linear(x, self.weight, self.bias))


def can_pack(arithmetic: Arithmetic = "float32") -> bool:
    """Return whether packed layers are allowed, run on this CPU and agree with this build of torch."""
    return kernels() is not None and _agrees(arithmetic)


@cache
def _agrees(arithmetic: Arithmetic) -> bool:
    """Return whether packed layers run here and give what ``functional.linear`` gives."""
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(24, 16, generator=generator), torch.randn(3, 16, generator=generator)
    tolerance = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.2}[arithmetic]
    try:
        with torch.no_grad():
            expected = functional.linear(x, weight, weight[:, 0].clone())
            error = (PackedLinear(weight, weight[:, 0].clone(), arithmetic)(x) - expected).abs().max().item()
    except (RuntimeError, AttributeError, TypeError) as fault:
        _log.warning("linear layers are not packed in %s: %s", arithmetic, str(fault).splitlines()[0])
        return False
    if not error <= tolerance:
        _log.warning("linear layers are not packed in %s: they differ from torch's by %g", arithmetic, error)
        return False
    return True


def build_linear(
    weight: Tensor,
    bias: Tensor | None = None,
    arithmetic: Arithmetic = "float32",
    activation: Activation = "none",
) -> Projection:
    """Return the fastest callable for ``activation(x @ weight.T + bias)``.

    It is a :class:`PackedLinear` where :func:`can_pack`, else a :class:`PlainLinear`.
    """
    if _packs(weight, arithmetic):
        return PackedLinear(weight, bias, arithmetic, activation)
    return PlainLinear(weight, bias, activation)


def _packs(weight: Tensor, arithmetic: Arithmetic) -> bool:
    return weight.device.type == "cpu" and can_pack(arithmetic)


def fuse_linears(layers: Sequence[nn.Linear], arithmetic: Arithmetic) -> Projection:
    """Return several linear layers over the same input as one; a layer without bias gets zeros."""
    if len(layers) == 1 and not _packs(layers[0].weight, arithmetic):  # no copy: the weight is shared
        weight, own_bias = layers[0].weight, layers[0].bias
        return PlainLinear(weight, None if own_bias is None else own_bias.to(weight.dtype))
    joined = torch.cat([layer.weight for layer in layers])
    bias = torch.cat(
        [x.weight.new_zeros(x.out_features) if x.bias is None else x.bias.to(x.weight.dtype) for x in layers]
    )
    return build_linear(joined, bias, arithmetic)


@runtime_checkable
class PacksItself(Protocol):
    """A module that holds weights other than those of ``nn.Linear`` and packs them itself (experts)."""

    def lay_out(self, arithmetic: Arithmetic) -> int:
        """Pack the weights in place; return the number of products that were replaced."""


def prepack(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Replace the linear layers of ``module`` by packed ones, in place.

    Layers off the CPU and subclasses of ``nn.Linear`` with an arithmetic of their own stay as they are
    (openai-whisper's subclass has none). A tied weight stays in its embedding and is packed as a copy.

    Args:
        module: a model; a :class:`PacksItself` in it packs its own weights.
        arithmetic: what is multiplied.

    Returns:
        The number of layers that were replaced; 0 where :func:`can_pack` is False.
    """
    if not can_pack(arithmetic):
        return 0
    replaced = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and is_plain(child):
                setattr(parent, name, PackedLinear(child.weight, child.bias, arithmetic))
                replaced += 1
            elif isinstance(child, PacksItself):
                replaced += child.lay_out(arithmetic)
    return replaced


def is_plain(layer: Any) -> bool:
    """Return whether a layer can be replaced by a packed one: linear, plain, of floats on the CPU."""
    is_linear = type(layer) is nn.Linear or type(layer).__module__ == "whisper.model"
    return bool(is_linear and layer.weight.device.type == "cpu" and layer.weight.is_floating_point())
