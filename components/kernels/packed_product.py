"""A weight packed for our own kernels (:mod:`.llvm`), and its product with rows."""

from __future__ import annotations

import ctypes
import logging
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from components.compute.instruction_sets import features
from components.kernels import huge_pages
from components.kernels.llvm.native_code import Code, ParallelCode, supports_native, threads_for
from components.kernels.llvm.product import ARGUMENTS, UNITS_PER_PASS, build_product
from components.kernels.llvm.quantize import LARGEST, ZERO, build_quantizer
from components.kernels.llvm.tile import COLUMNS, ROWS, UNIT_KINDS

_NEEDED = {"float32": "avx512f", "bfloat16": "avx512bf16", "int8": "avx512vnni"}
_BLOCK = 192
"""Rows of a block, at most: their share of a pass stays in the second-level cache."""
_log = logging.getLogger("antiphon.kernels")
_Arguments = ctypes.c_int64 * len(ARGUMENTS)


def supports(arithmetic: str) -> bool:
    """Return whether the kernels for ``arithmetic`` run on this processor with this build of torch.

    With matrix units (AMX) the answer is no for bfloat16 and int8, which oneDNN multiplies by them.
    """
    has_units = arithmetic != "float32" and "amx-tile" in features()
    return supports_native(_NEEDED[arithmetic]) and not has_units and _compiles(arithmetic)


@cache
def _compiles(arithmetic: str) -> bool:
    try:
        kernel(arithmetic, "none", False)
    except (RuntimeError, AttributeError, TypeError) as fault:  # the last two: another llvmlite
        _log.warning("the %s kernels are not used: %s", arithmetic, str(fault).splitlines()[0])
        return False
    return True


class PackedProduct:
    """``activation(rows @ weight.T + bias)`` by our own kernels, (R, in) -> (R, out) in float32.

    Sums are float32, or int32 of int8, for which weights are scaled per output and rows one by one, both
    symmetrically to 127.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, arithmetic: str, activation: str, gated: bool = False
    ) -> None:
        """Pack ``weight``; the arguments are those of :meth:`.Kernels.pack`."""
        self.arithmetic, self.size = arithmetic, weight.shape[1]
        self.outputs = len(weight) // 2 if gated else len(weight)
        self._units = -(-self.size // UNIT_KINDS[arithmetic].units)
        bias = torch.zeros(len(weight)) if bias is None else bias
        weight, padded_bias = (_pad_to_panels(values.detach(), gated) for values in (weight, bias.float()))
        scales, start = torch.empty(0), torch.empty(0, dtype=torch.int32)
        if arithmetic == "int8":
            weight = weight.float()
            scales = weight.abs().amax(1).clamp_(min=1e-12) / LARGEST
            weight = (weight / scales[:, None]).round_().to(torch.int8)
            start = -ZERO * weight.sum(1, dtype=torch.int32)
        self.weight = _arrange_panels(weight, UNIT_KINDS[arithmetic].units, getattr(torch, arithmetic))
        self._tensors = (padded_bias.clone(), scales, start)
        self._weight_at, self._panels = self.weight.data_ptr(), len(self.weight)
        self._bias_at, self._scales_at, self._start_at = (tensor.data_ptr() for tensor in self._tensors)
        self._kernel = kernel(arithmetic, activation, gated)

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """(R, in) of any floating dtype -> (R, out), float32."""
        if rows.shape[1] != self.size:
            raise ValueError(f"expected rows of {self.size} numbers, found {rows.shape[1]}")
        out = torch.empty((len(rows), self.outputs)) if out is None else out
        units, row_scales = self._units_of(rows)
        panels = (self._weight_at, self._panels, self._units)
        scaling = (row_scales.data_ptr(), self._scales_at, self._start_at)
        _multiply(self._kernel, units, panels, self._bias_at, out, scaling)
        return out

    def __deepcopy__(self, memo: dict[int, object]) -> PackedProduct:
        """Return itself: it never changes, and it holds addresses of its own tensors."""
        return self

    def _units_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows in the arithmetic's units, and for int8 their scales."""
        if self.arithmetic == "float32":
            rows = rows.float().contiguous()
            return rows, rows
        if self.arithmetic == "bfloat16":
            rows = rows.bfloat16()
            rows = functional.pad(rows, (0, 1)) if self.size % 2 else rows.contiguous()
            return rows, rows
        rows, n = rows.float().contiguous(), len(rows)
        units, scales = torch.empty((n, 4 * self._units), dtype=torch.uint8), torch.empty(n)
        _compile_quantizer().run(
            rows.data_ptr(), n, self.size, units.data_ptr(), 4 * self._units, scales.data_ptr()
        )
        return units, scales


def _multiply(
    code: ParallelCode,
    units: Tensor,
    panels: tuple[int, int, int],
    bias_at: int,
    out: Tensor,
    scaling: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """Run the kernel on rows of units; ``panels``: where they are, how many, and units of each."""
    (n, outputs), (weight_at, n_panels, n_units) = out.shape, panels
    threads = threads_for(n * outputs * n_units)
    block = -(-n // max(-(-n // _BLOCK), 1) // ROWS) * ROWS or ROWS
    partial = torch.empty((threads, block, COLUMNS)) if n_units > UNITS_PER_PASS else out
    arguments = _Arguments(
        units.data_ptr(), weight_at, out.data_ptr(), n, n_panels, outputs, n_units,
        block, partial.data_ptr(), bias_at, *scaling,
    )  # fmt: skip
    code(arguments, threads)


@cache
def kernel(arithmetic: str, activation: str, gated: bool) -> ParallelCode:
    """Return the compiled product; its first use in a process takes a tenth to a quarter of a second."""
    return ParallelCode(build_product(arithmetic, activation, gated))


@cache
def _compile_quantizer() -> Code:
    return Code(build_quantizer())


def _pad_to_panels(values: Tensor, gated: bool) -> Tensor:
    """Pad (out, ...) with zeros to whole panels; ``gated``: each is half gates, half what they gate."""
    halves = values.chunk(2) if gated else (values,)
    wide = COLUMNS // len(halves)
    padding = [0, 0] * (values.dim() - 1) + [0, -len(halves[0]) % wide]
    parts = [functional.pad(half, padding) if any(padding) else half.contiguous() for half in halves]
    if not gated:
        return parts[0]
    return torch.stack([part.view(-1, wide, *part.shape[1:]) for part in parts], dim=1).flatten(0, 2)


def _arrange_panels(weight: Tensor, units: int, dtype: torch.dtype) -> Tensor:
    """(panels * 64, in) -> (panels, units, 64, numbers of a unit), padded with zeros."""
    missing = -weight.shape[1] % units
    padded = functional.pad(weight, (0, missing)) if missing else weight
    if units > 1:  # a unit has 32 bits: they move at once
        padded = padded.to(dtype).view(torch.int32)
    panels = padded.view(-1, COLUMNS, padded.shape[1]).transpose(1, 2)
    arranged = torch.empty(panels.shape, dtype=torch.int32 if units > 1 else dtype)
    huge_pages.ask_for_huge_pages(arranged.data_ptr(), arranged.nbytes)
    arranged.copy_(panels)
    huge_pages.move_to_huge_pages(arranged.data_ptr(), arranged.nbytes)
    return arranged.view(dtype).view(*panels.shape, units)
