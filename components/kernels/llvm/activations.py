"""Activation functions on vectors of 16 floats, in LLVM's intermediate representation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from components.kernels.llvm.ir import FLOATS, I32, floats, intrinsic

_TAYLOR = tuple(1 / math.factorial(n) for n in range(7))
_LOWEST, _HIGHEST = -104.0, 88.0
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
"""log 2 in two parts: a multiple of the first, as far as the exponent reaches, is exact in float32."""
_ALL_LANES, _CURRENT_ROUNDING = ir.Constant(ir.IntType(16), -1), 4
"""Mask of all lanes; the rounding mode that the processor is set to."""
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_P, _ERF_END = 0.3275911, 10.0
"""Coefficient of the approximation; from the second on, 1 - erf is 0 in float32."""


def _fma(b: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
    return intrinsic(b, "llvm.fma.v16f32", FLOATS, x, y, z)


def _polynomial(b: ir.IRBuilder, x: Any, coefficients: tuple[float, ...]) -> Any:
    """Return coefficients from the lowest power on (Horner)."""
    total = floats(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = _fma(b, total, x, floats(coefficient))
    return total


def exp(b: ir.IRBuilder, x: Any) -> Any:
    """Return exp(x) to a relative 1e-6: 0 below the normal numbers, exp(88) above 88; NaN stays NaN."""
    x = b.select(b.fcmp_ordered(">", floats(_LOWEST), x), floats(_LOWEST), x)
    x = b.select(b.fcmp_ordered("<", floats(_HIGHEST), x), floats(_HIGHEST), x)
    twos = intrinsic(b, "llvm.rint.v16f32", FLOATS, b.fmul(x, floats(1 / math.log(2))))
    rest = _fma(b, twos, floats(-_LN2_HIGH), x)
    rest = _fma(b, twos, floats(-_LN2_LOW), rest)
    name, rounding = "llvm.x86.avx512.mask.scalef.ps.512", ir.Constant(I32, _CURRENT_ROUNDING)
    power = _polynomial(b, rest, _TAYLOR)
    return intrinsic(b, name, FLOATS, power, twos, floats(0.0), _ALL_LANES, rounding)


def _reciprocal(b: ir.IRBuilder, x: Any) -> Any:
    """1 / x for x from 1 to 1e38: an estimate to 14 bits and one of Newton's steps, faster than dividing."""
    guess = intrinsic(b, "llvm.x86.avx512.rcp14.ps.512", FLOATS, x, floats(0.0), _ALL_LANES)
    return b.fmul(guess, _fma(b, b.fneg(x), guess, floats(2.0)))


def _silu(b: ir.IRBuilder, x: Any) -> Any:
    """Return x / (1 + exp(-x))."""
    return b.fmul(x, _reciprocal(b, b.fadd(floats(1.0), exp(b, b.fneg(x)))))


def _gelu(b: ir.IRBuilder, x: Any) -> Any:
    """x times the normal distribution's share below x, erf by Abramowitz and Stegun 7.1.26 (error 1.5e-7)."""
    scaled = b.fmul(x, floats(math.sqrt(0.5)))
    size = intrinsic(b, "llvm.fabs.v16f32", FLOATS, scaled)
    size = intrinsic(b, "llvm.minnum.v16f32", FLOATS, size, floats(_ERF_END))
    t = _reciprocal(b, _fma(b, size, floats(_ERF_P), floats(1.0)))
    tail = b.fmul(b.fmul(_polynomial(b, t, _ERF), t), exp(b, b.fneg(b.fmul(size, size))))
    half = b.fmul(x, floats(0.5))
    positive = b.fcmp_ordered(">", x, floats(0.0))
    doubled_cdf = b.select(positive, b.fsub(floats(2.0), tail), tail)
    return b.fmul(half, doubled_cdf)


ACTIVATIONS: dict[str, Callable[[ir.IRBuilder, Any], Any]] = {
    "none": lambda _, x: x,
    "relu": lambda b, x: b.select(b.fcmp_ordered("<", x, floats(0.0)), floats(0.0), x),
    "silu": _silu,
    "gelu": _gelu,
}
