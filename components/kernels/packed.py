"""A weight laid out for the kernels, and its product with rows."""

from __future__ import annotations

import ctypes
import logging
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from components import huge_pages
from components.kernels.machine import Code, ParallelCode, features
from components.kernels.product import ARGUMENTS, product
from components.kernels.quantise import LARGEST, ZERO, quantise
from components.kernels.tile import COLUMNS, KINDS, ROWS

_NEEDED = {"float32": "avx512f", "bfloat16": "avx512bf16", "int8": "avx512vnni"}
_CACHED = 2**17
"""Units of a block of rows, at most: 512 KB, which stay in the second cache."""
_ALONE = 2**20
"""Multiplications up to which one thread is faster than several that have to meet."""
_log = logging.getLogger("antiphon.kernels")
_Arguments = ctypes.c_int64 * len(ARGUMENTS)


@cache
def supported(arithmetic: str) -> bool:
    """Whether this processor and this build of torch have what the kernels for ``arithmetic`` need.

    Where a processor has units for whole matrices (AMX), oneDNN, which uses them, is left to do it.
    """
    if not {"avx512f", "avx512bw", _NEEDED[arithmetic]} <= features() or "amx-tile" in features():
        return False
    try:
        kernel(arithmetic, "none")
    except RuntimeError as fault:
        _log.warning("our own %s products are off: %s", arithmetic, str(fault).splitlines()[0])
        return False
    return True


class PackedProduct:
    """``activation(rows @ weight.T + bias)``, (R, in) -> (R, out) in float32.

    ``weight`` is (out, in). ``arithmetic`` is what is multiplied; sums are float32, or int32 of int8. int8:
    weights are scaled per output and rows as they come, both symmetrically to 127.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, arithmetic: str, activation: str) -> None:
        self.arithmetic, self.width, self.size = arithmetic, *weight.shape
        self._units = -(-self.size // KINDS[arithmetic].units)
        weight = weight.detach().float()
        scales, start = torch.empty(0), torch.empty(0, dtype=torch.int32)
        if arithmetic == "int8":
            largest = weight.abs().amax(1).clamp_(min=1e-12)
            scales = _columns(largest / LARGEST)
            weight = (weight / (largest / LARGEST)[:, None]).round_().to(torch.int8)
            start = _columns(-ZERO * weight.sum(1, dtype=torch.int32))
        elif arithmetic == "bfloat16":
            weight = weight.bfloat16()
        self.weight = _panels(weight, KINDS[arithmetic].units)
        huge_pages.move(self.weight.data_ptr(), self.weight.nbytes)
        added = torch.zeros(self.width) if bias is None else bias.detach().float()
        self._constants = (_columns(added), scales, start)
        self._kernel = kernel(arithmetic, activation)

    def __call__(self, rows: Tensor) -> Tensor:
        """(R, in) of any floating dtype -> (R, out), float32."""
        n = len(rows)
        out = torch.empty((n, self.width))
        units, scales = self._units_of(rows)
        added, columns, start = self._constants
        self._kernel(
            _Arguments(
                units.data_ptr(), self.weight.data_ptr(), out.data_ptr(), n, self.width, self._units,
                self._block(n), added.data_ptr(), 0 if scales is None else scales.data_ptr(),
                columns.data_ptr(), start.data_ptr(),
            ),
            torch.get_num_threads() if n * self.width * self.size > _ALONE else 1,
        )  # fmt: skip
        return out

    def _block(self, n_rows: int) -> int:
        """Rows taken together: as many as stay in the cache, in blocks of about the same size."""
        blocks = -(-n_rows * self._units // _CACHED)
        return -(-n_rows // blocks // ROWS) * ROWS

    def _units_of(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.arithmetic == "float32":
            return rows.float().contiguous(), None
        if self.arithmetic == "bfloat16":
            rows = rows.bfloat16()
            return functional.pad(rows, (0, 1)) if self.size % 2 else rows.contiguous(), None
        rows, n = rows.float().contiguous(), len(rows)
        units, scales = torch.empty((n, 4 * self._units), dtype=torch.uint8), torch.empty(n)
        _quantiser().run(rows.data_ptr(), n, self.size, units.data_ptr(), 4 * self._units, scales.data_ptr())
        return units, scales


@cache
def kernel(arithmetic: str, activation: str) -> ParallelCode:
    """The product, compiled at its first use in a process (a tenth to a quarter of a second)."""
    return ParallelCode(product(arithmetic, activation))


@cache
def _quantiser() -> Code:
    return Code(quantise())


def _columns(values: Tensor) -> Tensor:
    """(out,) with zeros up to whole panels."""
    return functional.pad(values, (0, -len(values) % COLUMNS)).contiguous()


def _panels(weight: Tensor, units: int) -> Tensor:
    """(out, in) -> (panels, units, 64, numbers of a unit), zeros where nothing is."""
    width, size = weight.shape
    padded = functional.pad(weight, (0, -size % units, 0, -width % COLUMNS))
    panels = padded.view(-1, COLUMNS, padded.shape[1] // units, units)
    return panels.transpose(1, 2).contiguous()
