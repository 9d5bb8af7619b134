"""A tile of a product: up to 6 rows by 64 columns, all of it in registers.

What is multiplied comes in units of 32 bits: one float32, a pair of bfloat16 or four int8. A tile reads one
unit of each of its rows and one of each of its columns, multiplies all pairs, and goes on to the next, so
that every number read is used 6 or 64 times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from components.kernels.activations import ACTIVATIONS
from components.kernels.ir import (
    BFLOATS,
    F32,
    FLOATS,
    I8,
    I32,
    I64,
    INTS,
    LANES,
    VOID,
    at,
    everywhere,
    floats,
    i64,
    intrinsic,
    lanes_below,
    load,
    store_where,
)  # fmt: skip

ROWS, VECTORS = 6, 4
COLUMNS = VECTORS * LANES
"""24 sums, the 4 vectors of columns and one of a row's units fill 29 of AVX-512's 32 registers."""


def _float32(b: ir.IRBuilder, total: Any, row: Any, columns: Any) -> Any:
    return intrinsic(b, "llvm.fma.v16f32", FLOATS, b.bitcast(row, FLOATS), b.bitcast(columns, FLOATS), total)


def _bfloat16(b: ir.IRBuilder, total: Any, row: Any, columns: Any) -> Any:
    name = "llvm.x86.avx512bf16.dpbf16ps.512"
    return intrinsic(b, name, FLOATS, total, b.bitcast(row, BFLOATS), b.bitcast(columns, BFLOATS))


def _int8(b: ir.IRBuilder, total: Any, row: Any, columns: Any) -> Any:
    return intrinsic(b, "llvm.x86.avx512.vpdpbusd.512", INTS, total, row, columns)


@dataclass(frozen=True)
class Kind:
    """How units are multiplied: ``units`` numbers in each; ``step`` adds the products to the sums."""

    units: int
    sums: Any
    step: Callable[[ir.IRBuilder, Any, Any, Any], Any]


KINDS = {
    "float32": Kind(1, FLOATS, _float32),
    "bfloat16": Kind(2, FLOATS, _bfloat16),
    "int8": Kind(4, INTS, _int8),
}
PARAMETERS = (
    ("rows", I32.as_pointer()), ("stride", I64), ("panel", I32.as_pointer()), ("units", I64),
    ("out", F32.as_pointer()), ("width", I64), ("columns", I64), ("bias", F32.as_pointer()),
    ("row_scales", F32.as_pointer()), ("column_scales", F32.as_pointer()), ("start", I32.as_pointer()),
    ("ahead", I8.as_pointer()),
)  # fmt: skip
"""Of a tile: units of its first row and from one row to the next; its panel of the weight (units, 64); the
first output and from one row of them to the next; how many columns there are; what is added; for int8 what
scales and what the sums start from; and 64 bytes per unit that will be wanted soon."""


def tile(module: ir.Module, rows: int, arithmetic: str, activation: str) -> ir.Function:
    """A function of :data:`PARAMETERS` that computes ``rows`` rows of outputs."""
    kind = KINDS[arithmetic]
    function = ir.Function(module, ir.FunctionType(VOID, [type_ for _, type_ in PARAMETERS]), f"tile{rows}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    given = {name: argument for (name, _), argument in zip(PARAMETERS, function.args, strict=True)}
    b = ir.IRBuilder(function.append_basic_block("entry"))
    sums = _sums(b, kind, rows, given)
    bias = [load(b, at(b, given["bias"], i64(j * LANES)), FLOATS) for j in range(VECTORS)]
    scales = _scales(b, given) if kind.sums == INTS else None
    masks = [lanes_below(b, b.sub(given["columns"], i64(j * LANES))) for j in range(VECTORS)]
    for i in range(rows):
        target = at(b, given["out"], b.mul(given["width"], i64(i)))
        factor = everywhere(b, b.load(at(b, given["row_scales"], i64(i)))) if scales else None
        for j in range(VECTORS):
            value = sums[i][j]
            if scales:
                value = b.fmul(b.sitofp(value, FLOATS), b.fmul(factor, scales[j]))
            value = ACTIVATIONS[activation](b, b.fadd(value, bias[j]))
            store_where(b, value, at(b, target, i64(j * LANES)), masks[j])
    b.ret_void()
    return function


def _scales(b: ir.IRBuilder, given: dict[str, Any]) -> list[Any]:
    return [load(b, at(b, given["column_scales"], i64(j * LANES)), FLOATS) for j in range(VECTORS)]


def _sums(b: ir.IRBuilder, kind: Kind, rows: int, given: dict[str, Any]) -> list[list[Any]]:
    """The loop over the units."""
    places = [at(b, given["rows"], b.mul(given["stride"], i64(i))) for i in range(rows)]
    if kind.sums == INTS:
        begin = [load(b, at(b, given["start"], i64(j * LANES)), INTS) for j in range(VECTORS)]
    else:
        begin = [floats(0.0)] * VECTORS
    before, body, done = b.block, *(b.function.append_basic_block(name) for name in ("units", "done"))
    b.branch(body)
    b.position_at_end(body)
    unit = b.phi(I64)
    unit.add_incoming(i64(0), before)
    held = [[b.phi(kind.sums) for _ in range(VECTORS)] for _ in range(rows)]
    panel = at(b, given["panel"], b.mul(unit, i64(COLUMNS)))
    columns = [load(b, at(b, panel, i64(j * LANES)), INTS, align=64) for j in range(VECTORS)]
    _fetch(b, at(b, given["ahead"], b.mul(unit, i64(64))))
    added: list[list[Any]] = []
    for place in places:
        row = everywhere(b, b.load(at(b, place, unit)))
        added.append([kind.step(b, held[len(added)][j], row, columns[j]) for j in range(VECTORS)])
    following = b.add(unit, i64(1))
    unit.add_incoming(following, body)
    for phis, values in zip(held, added, strict=True):
        for phi, value, first in zip(phis, values, begin, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(value, body)
    b.cbranch(b.icmp_signed("<", following, given["units"]), body, done)
    b.position_at_end(done)
    return added


def _fetch(b: ir.IRBuilder, pointer: Any) -> None:
    """Ask for 64 bytes in the second cache; an address that is not there is ignored."""
    read, second, data = (ir.Constant(I32, n) for n in (0, 2, 1))
    intrinsic(b, "llvm.prefetch.p0", VOID, pointer, read, second, data)
