"""Linear layers whose weights are laid out once for the CPU's multipliers.

``torch.nn.Linear`` hands oneDNN a plain matrix that it lays out anew in every call, which costs 2-4x
on the 2-64 rows that batched decoding runs on. :func:`prepack` replaces every linear layer of a
module by one whose weight is laid out already, in float32, bfloat16 or int8 (:mod:`components.kernels`).

The way is tried once against ``functional.linear``, and where it is missing or disagrees (other builds of
torch, other devices) the layers stay as they are. Inference only: a packed layer has no gradient and cannot
be saved.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.kernels import Activation, Arithmetic, pack
from components.kernels.onednn import ACTIVATION_FUNCTIONS

_DTYPES: dict[Arithmetic, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
}
_log = logging.getLogger("antiphon.decoding")


class PackedLinear(nn.Module):
    """``activation(x @ weight.T + bias)`` with a weight that is laid out.

    ``weight`` has shape (out, in). Input (..., in) and output (..., out) have the same dtype whatever the
    arithmetic inside. ``gated``: ``weight`` is (2 * out, in), and what its first half gives is activated and
    multiplied with what its second half gives. Raises RuntimeError where :func:`can_pack` is False for the
    arithmetic.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape[0] // (1 + gated), weight.shape[1]
        self.arithmetic: Arithmetic = arithmetic
        self.activation: Activation = activation
        # Code that asks a layer for its weight's shape or dtype gets them without a second copy in memory.
        self.weight = torch.empty(weight.shape, dtype=_DTYPES[arithmetic], device="meta")
        self._product = pack(weight, bias, arithmetic, activation, gated)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), same dtype."""
        shape = (*x.shape[:-1], self.out_features)
        if x.numel() == 0:
            return x.new_empty(shape)
        out = self._product(x.reshape(-1, x.shape[-1])).view(shape)
        return out if out.dtype == x.dtype else out.to(x.dtype)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.in_features}, {self.out_features}, {self.arithmetic}, {self.activation}"


@cache
def can_pack(arithmetic: Arithmetic = "float32") -> bool:
    """Whether this build of torch on this CPU has the operators and they agree with ``functional.linear``.

    ``ANTIPHON_PREPACK=0`` in the environment says no.
    """
    if os.environ.get("ANTIPHON_PREPACK") == "0":
        return False
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(24, 16, generator=generator), torch.randn(3, 16, generator=generator)
    tolerance = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.2}[arithmetic]
    try:
        with torch.no_grad():
            expected = functional.linear(x, weight, weight[:, 0].clone())
            error = (PackedLinear(weight, weight[:, 0].clone(), arithmetic)(x) - expected).abs().max().item()
    except (RuntimeError, AttributeError, TypeError) as fault:
        _log.warning("prepacked %s linear layers are off: %s", arithmetic, str(fault).splitlines()[0])
        return False
    if not error <= tolerance:
        _log.warning("prepacked %s linear layers are off: they differ from torch's by %g", arithmetic, error)
        return False
    return True


def build_linear(
    weight: Tensor,
    bias: Tensor | None = None,
    arithmetic: Arithmetic = "float32",
    activation: Activation = "none",
) -> Callable[[Tensor], Tensor]:
    """The fastest callable for ``activation(x @ weight.T + bias)``: packed where possible, else plain.

    Plain means the arithmetic of the weight itself: float32, bfloat16 or float16.
    """
    if weight.device.type == "cpu" and can_pack(arithmetic):
        return PackedLinear(weight, bias, arithmetic, activation)
    after = ACTIVATION_FUNCTIONS[activation]
    return lambda x: after(functional.linear(x, weight, bias))


@runtime_checkable
class PacksItself(Protocol):
    """A module that holds weights other than ``nn.Linear``'s and can lay them out (a sparse layer)."""

    def lay_out(self, arithmetic: Arithmetic) -> int:
        """Lay the weights out in place; return how many products were replaced."""
        ...


def prepack(
    module: nn.Module,
    arithmetic: Arithmetic = "float32",
    keep: Callable[[str, nn.Linear], bool] | None = None,
) -> int:
    """Replace the linear layers of ``module`` in place; return how many were replaced.

    A module with a method ``compute_layout(arithmetic)`` (:class:`PacksItself`) does its part itself, and its count is
    added. Stay as they are: layers off the CPU, subclasses of ``nn.Linear`` with an arithmetic of their own
    (openai-whisper's is plain), and those for which ``keep(name, layer)`` is True. A tied weight stays
    in its embedding and is packed as a copy. Returns 0 where :func:`can_pack` is False.
    """
    if not can_pack(arithmetic):
        return 0
    replaced = 0
    for parent_name, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            full = f"{parent_name}.{name}".lstrip(".")
            if isinstance(child, nn.Linear) and is_plain(child) and not (keep and keep(full, child)):
                setattr(parent, name, PackedLinear(child.weight, child.bias, arithmetic))
                replaced += 1
            elif isinstance(child, PacksItself):
                replaced += child.lay_out(arithmetic)
    return replaced


def is_plain(layer: Any) -> bool:
    """Whether it is a linear layer that can be replaced by a packed one."""
    known = type(layer) is nn.Linear or type(layer).__module__ == "whisper.model"
    return bool(known and layer.weight.device.type == "cpu" and layer.weight.is_floating_point())
