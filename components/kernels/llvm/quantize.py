"""Quantisation of float32 rows to unsigned int8 with one scale per row, in LLVM's representation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.llvm.ir import (
    F32,
    FLOATS,
    I8,
    I32,
    I64,
    INTS,
    LANES,
    VOID,
    at,
    broadcast,
    floats,
    i64,
    intrinsic,
    ints,
    lanes_below,
    load_masked,
    loop,
)

BYTES = ir.VectorType(I8, LANES)
LARGEST, ZERO = 127.0, 128
_SMALLEST = 1e-12


def build_quantizer() -> ir.Function:
    """Return the function ``quantize(x, n_rows, size, out, stride, scales)`` with x = (out - 128) * scales.

    Every row of x (n_rows, size) is scaled so that its largest magnitude becomes 127, and rounded to the
    nearest integer, ties to even. The scale of a row that is not finite is NaN. ``stride`` is the distance of
    the rows of ``out`` in bytes.
    """
    module = ir.Module("quantize")
    floats_, bytes_ = F32.as_pointer(), I8.as_pointer()
    kind = ir.FunctionType(VOID, [floats_, I64, I64, bytes_, I64, floats_])
    function = ir.Function(module, kind, "quantize")
    x, n_rows, size, out, stride, scales = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    largest, non_finite = b.alloca(FLOATS), b.alloca(FLOATS)
    with loop(b, i64(0), n_rows) as number:
        row = at(b, x, b.mul(number, size))
        target = at(b, out, b.mul(number, stride))
        b.store(floats(_SMALLEST), largest)
        b.store(floats(0.0), non_finite)
        with loop(b, i64(0), size, LANES) as k:
            _update_maxima(b, at(b, row, k), lanes_below(b, b.sub(size, k)), largest, non_finite)
        top = intrinsic(b, "llvm.vector.reduce.fmax.v16f32", F32, b.load(largest))
        zero = ir.Constant(F32, 0.0)
        zero_or_nan = intrinsic(b, "llvm.vector.reduce.fadd.v16f32", F32, zero, b.load(non_finite))
        b.store(b.fadd(b.fdiv(top, ir.Constant(F32, LARGEST)), zero_or_nan), at(b, scales, number))
        factor = broadcast(b, b.fdiv(ir.Constant(F32, LARGEST), top))
        with loop(b, i64(0), size, LANES) as k:
            _round_to_bytes(b, at(b, row, k), factor, lanes_below(b, b.sub(size, k)), at(b, target, k))
    b.ret_void()
    return function


def _update_maxima(b: ir.IRBuilder, address: Any, mask: Any, largest: Any, non_finite: Any) -> None:
    """Update the largest magnitudes with 16 numbers, and ``non_finite`` with 0, or NaN where one is."""
    values = load_masked(b, address, mask)
    size = intrinsic(b, "llvm.fabs.v16f32", FLOATS, values)
    b.store(intrinsic(b, "llvm.maxnum.v16f32", FLOATS, size, b.load(largest)), largest)
    b.store(intrinsic(b, "llvm.fma.v16f32", FLOATS, values, floats(0.0), b.load(non_finite)), non_finite)


def _round_to_bytes(b: ir.IRBuilder, address: Any, factor: Any, mask: Any, target: Any) -> None:
    values = b.fmul(load_masked(b, address, mask), factor)
    whole = b.fptosi(intrinsic(b, "llvm.rint.v16f32", FLOATS, values), INTS)
    shifted = b.trunc(b.add(whole, ints(ZERO)), BYTES)
    pointer = b.bitcast(target, BYTES.as_pointer())
    intrinsic(b, "llvm.masked.store.v16i8.p0", VOID, shifted, pointer, ir.Constant(I32, 1), mask)
