"""exp of rows of scores together with its sums, in one pass: the first step of mixing distributions."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from llvmlite import ir
from torch import Tensor

from components.kernels.llvm.activations import exp
from components.kernels.llvm.ir import (
    F32,
    FLOATS,
    I64,
    LANES,
    VOID,
    at,
    floats,
    i64,
    intrinsic,
    load,
    loop,
    store_masked,
)
from components.kernels.llvm.native_code import ParallelCode, supports_native

_Arguments = ctypes.c_int64 * 5
"""Addresses of the scores (rows, size), the results (rows, size) and the sums (rows), and both sizes."""


def exponentiate(scores: Tensor, out: Tensor) -> Tensor | None:
    """Return exp(scores) into ``out``, and its sums over the last dimension.

    The kernel needs float32 on the CPU, contiguous, V a multiple of 16. Scores above 88 count as 88; NaN
    stays NaN.

    Args:
        scores: (R, V).
        out: (R, V), float32, contiguous.

    Returns:
        The sums (R, 1), or None where the kernel cannot be used and ``out`` was not touched.
    """
    rows, size = scores.shape
    is_supported = scores.device.type == "cpu" and scores.dtype == torch.float32 and scores.is_contiguous()
    if not is_supported or size % LANES or not supports_native():
        return None
    sums = torch.empty(rows, 1)
    arguments = _Arguments(scores.data_ptr(), out.data_ptr(), sums.data_ptr(), rows, size)
    _compile_kernel()(arguments, torch.get_num_threads())
    return sums


@cache
def _compile_kernel() -> ParallelCode:
    module = ir.Module("exponentials")
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "exponentials")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    parameters = [b.load(at(b, arguments, i64(n))) for n in range(5)]
    scores, out, sums = (b.inttoptr(address, F32.as_pointer()) for address in parameters[:3])
    rows, size = parameters[3:]
    total = b.alloca(FLOATS)
    first, last = (b.sdiv(b.mul(rows, p), parts) for p in (part, b.add(part, i64(1))))
    with loop(b, first, last) as row:
        b.store(floats(0.0), total)
        start = b.mul(row, size)
        with loop(b, i64(0), size, LANES) as column:
            position = b.add(start, column)
            value = exp(b, load(b, at(b, scores, position), FLOATS))
            store_masked(b, value, at(b, out, position), None)
            b.store(b.fadd(b.load(total), value), total)
        name, nothing = "llvm.vector.reduce.fadd.v16f32", ir.Constant(F32, 0.0)
        b.store(intrinsic(b, name, F32, nothing, b.load(total)), at(b, sums, row))
    b.ret_void()
    return ParallelCode(function)
