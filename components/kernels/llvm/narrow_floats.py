"""Vectors of float32 that hold numbers of a narrower type: loaded, rounded, stored, in LLVM's representation.

A number that has been rounded to the narrower type is exact in float32, and torch computes such types in
float32 as well: a step here and a rounding give torch's number. (Bits of a NaN are torch's business alone.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.llvm.ir import (
    F32,
    FLOATS,
    I32,
    INTS,
    LANES,
    VOID,
    at,
    intrinsic,
    ints,
    load,
    load_masked,
    store_masked,
)

I16 = ir.IntType(16)
SHORTS, HALVES = ir.VectorType(I16, LANES), ir.VectorType(ir.HalfType(), LANES)
_MAGNITUDE = 0x7FFFFFFF


class FloatFormat:
    """float32 itself."""

    def load(self, b: ir.IRBuilder, address: Any, position: Any, mask: Any) -> Any:
        """Return 16 numbers from ``position`` on of the array at ``address`` (I64); 0 outside of ``mask``."""
        pointer = at(b, b.inttoptr(address, F32.as_pointer()), position)
        return load(b, pointer, FLOATS) if mask is None else load_masked(b, pointer, mask)

    def store(self, b: ir.IRBuilder, x: Any, address: Any, position: Any, mask: Any) -> None:
        """Store 16 rounded numbers, or those in ``mask``."""
        store_masked(b, x, at(b, b.inttoptr(address, F32.as_pointer()), position), mask)

    def round(self, b: ir.IRBuilder, x: Any) -> Any:
        """Return the nearest numbers of the type, ties to even."""
        return x

    def pattern(self, b: ir.IRBuilder, x: Any) -> Any:
        """Return the bits of rounded numbers in their type, without the sign, as integers."""
        return b.and_(b.bitcast(x, INTS), ints(_MAGNITUDE))


class _Shorts(FloatFormat):
    """Types of 16 bits."""

    def load(self, b: ir.IRBuilder, address: Any, position: Any, mask: Any) -> Any:
        pointer = at(b, b.inttoptr(address, I16.as_pointer()), position)
        if mask is None:
            return self.widen(b, load(b, pointer, SHORTS, align=2))
        source, none = b.bitcast(pointer, SHORTS.as_pointer()), ir.Constant(SHORTS, [0] * LANES)
        align = ir.Constant(I32, 2)
        return self.widen(b, intrinsic(b, "llvm.masked.load.v16i16.p0", SHORTS, source, align, mask, none))

    def store(self, b: ir.IRBuilder, x: Any, address: Any, position: Any, mask: Any) -> None:
        pointer = at(b, b.inttoptr(address, I16.as_pointer()), position)
        target = b.bitcast(pointer, SHORTS.as_pointer())
        if mask is None:
            b.store(self.narrow(b, x), target).align = 2
        else:
            align = ir.Constant(I32, 2)
            intrinsic(b, "llvm.masked.store.v16i16.p0", VOID, self.narrow(b, x), target, align, mask)

    def round(self, b: ir.IRBuilder, x: Any) -> Any:
        return self.widen(b, self.narrow(b, x))

    def pattern(self, b: ir.IRBuilder, x: Any) -> Any:
        return b.zext(b.and_(self.narrow(b, x), ir.Constant(SHORTS, [0x7FFF] * LANES)), INTS)

    def widen(self, b: ir.IRBuilder, bits: Any) -> Any:
        """Bits of the type -> float32."""
        return b.fpext(b.bitcast(bits, HALVES), FLOATS)

    def narrow(self, b: ir.IRBuilder, x: Any) -> Any:
        """float32 -> bits of the nearest number of the type; a bfloat16 has to be rounded before."""
        return b.bitcast(b.fptrunc(x, HALVES), SHORTS)


class _BFloat16(_Shorts):
    """The upper half of a float32; the processor's own conversion takes subnormal numbers for 0."""

    def round(self, b: ir.IRBuilder, x: Any) -> Any:
        # A NaN keeps its upper half: what is rounded here was made of NaNs with an empty lower half.
        bits = b.bitcast(x, INTS)
        odd = b.and_(b.lshr(bits, ints(16)), ints(1))
        rounded = b.add(bits, b.add(odd, ints(0x7FFF)))
        return b.bitcast(b.and_(rounded, ints(-1 << 16)), FLOATS)

    def pattern(self, b: ir.IRBuilder, x: Any) -> Any:
        return b.lshr(b.and_(b.bitcast(x, INTS), ints(_MAGNITUDE)), ints(16))

    def widen(self, b: ir.IRBuilder, bits: Any) -> Any:
        return b.bitcast(b.shl(b.zext(bits, INTS), ints(16)), FLOATS)

    def narrow(self, b: ir.IRBuilder, x: Any) -> Any:
        return b.trunc(b.lshr(b.bitcast(x, INTS), ints(16)), SHORTS)


FORMATS: dict[str, FloatFormat] = {"float32": FloatFormat(), "bfloat16": _BFloat16(), "float16": _Shorts()}
"""By torch's names of the types."""
