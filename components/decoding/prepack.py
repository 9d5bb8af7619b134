"""Linear layers whose weights are laid out once for the CPU's matrix units.

``torch.nn.Linear`` hands oneDNN a plain matrix that it lays out anew in every call, which costs 2-4x
on the 2-64 rows that batched decoding runs on. :func:`prepack` replaces every linear layer of a
module by one whose weight is already in oneDNN's layout, in float32, bfloat16 or int8.

The operators are private to torch: they are tried once against ``functional.linear``, and where they
are missing or disagree (other builds, other devices) the layers stay as they are. Inference only: a
packed layer has no gradient and cannot be saved.

int8: symmetric weights per output channel, activations quantised per row as they come (dynamic), as
in Dettmers et al., LLM.int8() (arXiv:2208.07339), section 3, without the outlier split.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from components import huge_pages

Arithmetic = Literal["float32", "bfloat16", "int8"]
Activation = Literal["none", "gelu", "relu", "silu"]

_DTYPES: dict[Arithmetic, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
}
_ALGORITHMS: dict[Activation, str] = {"none": "", "gelu": "none", "relu": "", "silu": ""}
_ONEDNN: dict[Activation, str] = {"none": "none", "gelu": "gelu", "relu": "relu", "silu": "swish"}
_PLAIN: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
}
FULL, LARGE = 4, 2**18
"""Rows that keep the multipliers busy, and the elements of a weight from which fewer rows are filled up."""
_log = logging.getLogger("antiphon.decoding")


class PackedLinear(nn.Module):
    """``activation(x @ weight.T + bias)`` with a prepacked weight.

    ``weight`` has shape (out, in). Input (..., in) and output (..., out) have the same dtype whatever the
    arithmetic inside. Raises RuntimeError where :func:`available` is False for the arithmetic.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.arithmetic: Arithmetic = arithmetic
        self.activation: Activation = activation
        # Code that asks a layer for its weight's shape or dtype gets them without a second copy in memory.
        self.weight = torch.empty(weight.shape, dtype=_DTYPES[arithmetic], device="meta")
        self._scale: Tensor | None = None
        self._zero: Tensor | None = None
        weight = weight.detach()
        if arithmetic == "int8":
            full = weight.float()
            self._scale = full.abs().amax(1).clamp_(min=1e-12) / 127
            self._zero = torch.zeros(self.out_features, dtype=torch.int32)
            quantised = (full / self._scale[:, None]).round_().to(torch.int8)
            self._packed = torch.ops.onednn.qlinear_prepack(quantised, None)
            self._bias = None if bias is None else bias.detach().float().contiguous()
        else:
            weight = weight.to(_DTYPES[arithmetic]).contiguous()
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight)
            self._bias = None if bias is None else bias.detach().to(_DTYPES[arithmetic]).contiguous()
        _into_large_pages(self._packed)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), same dtype."""
        if x.numel() == 0:
            return x.new_empty(*x.shape[:-1], self.out_features)
        if self.arithmetic == "int8":
            return self._int8(x)
        rows = x.numel() // self.in_features
        if rows < FULL and self.weight.numel() >= LARGE:
            # One row waits for each of its additions: four take a quarter less time than one (AVX-512).
            full = functional.pad(x.reshape(rows, -1), (0, 0, 0, FULL - rows))
            return self._float(full)[:rows].view(*x.shape[:-1], -1)
        return self._float(x)

    def _float(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(_DTYPES[self.arithmetic]),
            self._packed,
            self._bias,
            _ONEDNN[self.activation],
            [],
            _ALGORITHMS[self.activation],
        )
        return out.to(x.dtype)

    def _int8(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features).float()
        scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(127)
        # Unsigned with zero point 128: the signed form has no fast kernel on CPUs without AMX. By way of
        # int8, whose conversion is vectorised; that of uint8 is not.
        quantised = (rows / scale).round_().to(torch.int8).view(torch.uint8).add_(128)
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            quantised, 1.0, 128, self._packed, self._scale, self._zero,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        if self._bias is None:
            out.mul_(scale)
        else:
            torch.addcmul(self._bias, out, scale, out=out)
        out = _PLAIN[self.activation](out)
        return out.view(*x.shape[:-1], self.out_features).to(x.dtype)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.in_features}, {self.out_features}, {self.arithmetic}, {self.activation}"


def _into_large_pages(packed: Tensor) -> None:
    if hasattr(torch.ops.mkldnn, "data_ptr"):
        huge_pages.move(torch.ops.mkldnn.data_ptr(packed), torch.ops.mkldnn._nbytes(packed))


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` by oneDNN, the weight as it is, such as one that is being trained; no gradient.

    RuntimeError or AttributeError where :func:`available` is False.
    """
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


@cache
def available(arithmetic: Arithmetic = "float32") -> bool:
    """Whether this build of torch on this CPU has the operators and they agree with ``functional.linear``.

    ``ANTIPHON_PREPACK=0`` in the environment says no.
    """
    if os.environ.get("ANTIPHON_PREPACK") == "0":
        return False
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(24, 16, generator=generator), torch.randn(3, 16, generator=generator)
    tolerance = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.2}[arithmetic]
    try:
        if arithmetic == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
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


def linear(
    weight: Tensor,
    bias: Tensor | None = None,
    arithmetic: Arithmetic = "float32",
    activation: Activation = "none",
) -> Callable[[Tensor], Tensor]:
    """The fastest callable for ``activation(x @ weight.T + bias)``: packed where possible, else plain.

    Plain means the arithmetic of the weight itself: float32, bfloat16 or float16.
    """
    if weight.device.type == "cpu" and available(arithmetic):
        return PackedLinear(weight, bias, arithmetic, activation)
    after = _PLAIN[activation]
    return lambda x: after(functional.linear(x, weight, bias))


@runtime_checkable
class LaysOut(Protocol):
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

    A module with a method ``lay_out(arithmetic)`` (:class:`LaysOut`) does its part itself, and its count is
    added. Stay as they are: layers off the CPU, subclasses of ``nn.Linear`` with an arithmetic of their own
    (openai-whisper's is plain), and those for which ``keep(name, layer)`` is True. A tied weight stays
    in its embedding and is packed as a copy. Returns 0 where :func:`available` is False.
    """
    if not available(arithmetic):
        return 0
    replaced = 0
    for parent_name, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            full = f"{parent_name}.{name}".lstrip(".")
            if isinstance(child, nn.Linear) and is_plain(child) and not (keep and keep(full, child)):
                setattr(parent, name, PackedLinear(child.weight, child.bias, arithmetic))
                replaced += 1
            elif isinstance(child, LaysOut):
                replaced += child.lay_out(arithmetic)
    return replaced


def is_plain(layer: Any) -> bool:
    """Whether it is a linear layer that can be replaced by a packed one."""
    known = type(layer) is nn.Linear or type(layer).__module__ == "whisper.model"
    return bool(known and layer.weight.device.type == "cpu" and layer.weight.is_floating_point())
