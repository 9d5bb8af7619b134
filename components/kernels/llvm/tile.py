"""A tile of a product: up to 6 rows by 64 columns, all of it in registers.

What is multiplied comes in units of 32 bits: one float32, a pair of bfloat16 or four int8. A tile reads one
unit of each of its rows and one of each of its columns, multiplies all pairs, and goes on to the next, so
that every number read is used 6 or 64 times.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from components.kernels.llvm.activations import ACTIVATIONS
from components.kernels.llvm.ir import (
    BFLOATS,
    F32,
    FLOATS,
    I1,
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
    lanes_below,
    load,
    prefetch,
    store_masked,
)

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
class UnitKind:
    """How units are multiplied: ``units`` numbers in each; ``step`` adds the products to the sums."""

    units: int
    sums: Any
    step: Callable[[ir.IRBuilder, Any, Any, Any], Any]


UNIT_KINDS = {
    "float32": UnitKind(1, FLOATS, _float32),
    "bfloat16": UnitKind(2, FLOATS, _bfloat16),
    "int8": UnitKind(4, INTS, _int8),
}
PARAMETERS = (
    ("rows", I32.as_pointer()), ("stride", I64), ("panel", I32.as_pointer()), ("units", I64),
    ("partial", I32.as_pointer()), ("first", I1), ("last", I1), ("out", F32.as_pointer()), ("width", I64),
    ("columns", I64), ("bias", F32.as_pointer()), ("row_scales", F32.as_pointer()),
    ("column_scales", F32.as_pointer()), ("start", I32.as_pointer()), ("next_panel", I32.as_pointer()),
)  # fmt: skip
"""Parameters of a tile.

``rows``: units of its first row, ``stride`` units from one row to the next. ``panel``: its panel of the
weight (units, 64). ``partial``: sums (rows, 64) over the units before, read unless these are the ``first``,
and written unless they are the ``last``. ``out``: the first output, ``width`` floats from one row to the
next, ``columns`` outputs left in a row. ``bias`` is added; ``row_scales``, ``column_scales`` and ``start``
(of the sums) are for int8. ``next_panel``: 64 bytes per unit to prefetch.
"""
Parameters = dict[str, Any]


def build_tile(module: ir.Module, rows: int, arithmetic: str, activation: str, gated: bool) -> ir.Function:
    """Return the function with the parameters :data:`PARAMETERS` that computes ``rows`` rows of outputs.

    Args:
        module: gets the function.
        rows: 1 to :data:`ROWS`.
        arithmetic: a key of :data:`UNIT_KINDS`.
        activation: a key of :data:`.activations.ACTIVATIONS`.
        gated: the first half of a panel's columns is activated and multiplied with the second half.

    Returns:
        The function.
    """
    kind = UNIT_KINDS[arithmetic]
    types = [type_ for _, type_ in PARAMETERS]
    function = ir.Function(module, ir.FunctionType(VOID, types), f"tile{rows}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    parameters = {name: argument for (name, _), argument in zip(PARAMETERS, function.args, strict=True)}
    b = ir.IRBuilder(function.append_basic_block("entry"))
    sums = _accumulate(b, kind, rows, parameters)
    _prefetch_next(b, rows, parameters)
    with b.if_else(parameters["last"]) as (whole, part):
        with whole:
            _store_outputs(b, sums, parameters, activation, gated)
        with part:
            for address, value in _partial_addresses(b, parameters["partial"], sums):
                b.store(b.bitcast(value, INTS), b.bitcast(address, INTS.as_pointer())).align = 64
    b.ret_void()
    return function


def _partial_addresses(b: ir.IRBuilder, partial: Any, values: list[list[Any]]) -> list[tuple[Any, Any]]:
    """Return the address of each sum of a tile in ``partial``, with the sum."""
    return [
        (at(b, partial, i64((i * VECTORS + j) * LANES)), value)
        for i, row in enumerate(values)
        for j, value in enumerate(row)
    ]


def _store_outputs(
    b: ir.IRBuilder, sums: list[list[Any]], parameters: Parameters, activation: str, gated: bool
) -> None:
    """Scale the sums, add the bias, activate and store."""
    act, n = ACTIVATIONS[activation], VECTORS // 2 if gated else VECTORS
    bias = [load(b, at(b, parameters["bias"], i64(j * LANES)), FLOATS) for j in range(VECTORS)]
    scaled = sums[0][0].type == INTS
    scales = [
        load(b, at(b, parameters["column_scales"], i64(j * LANES)), FLOATS) for j in range(VECTORS * scaled)
    ]
    outputs = []
    for i, values in enumerate(sums):
        row = values
        if scaled:
            factor = broadcast(b, b.load(at(b, parameters["row_scales"], i64(i))))
            row = [b.fmul(b.sitofp(x, FLOATS), b.fmul(factor, y)) for x, y in zip(row, scales, strict=True)]
        row = [b.fadd(value, added) for value, added in zip(row, bias, strict=True)]
        row = [b.fmul(act(b, row[j]), row[n + j]) if gated else act(b, row[j]) for j in range(n)]
        outputs.append(row)
    with b.if_else(b.icmp_signed(">=", parameters["columns"], i64(n * LANES))) as (whole, part):
        with whole:  # some processors store faster without a mask
            _store(b, outputs, parameters, [None] * n)
        with part:
            left = [b.sub(parameters["columns"], i64(j * LANES)) for j in range(n)]
            _store(b, outputs, parameters, [lanes_below(b, count) for count in left])


def _store(b: ir.IRBuilder, outputs: list[list[Any]], parameters: Parameters, masks: list[Any]) -> None:
    for i, row in enumerate(outputs):
        target = at(b, parameters["out"], b.mul(parameters["width"], i64(i)))
        for j, (value, mask) in enumerate(zip(row, masks, strict=True)):
            store_masked(b, value, at(b, target, i64(j * LANES)), mask)


def _prefetch_next(b: ir.IRBuilder, rows: int, parameters: Parameters) -> None:
    """Prefetch the start of what the next tile most likely reads: the same columns, the rows below."""
    for j in range(2 * VECTORS):
        prefetch(b, at(b, parameters["panel"], i64(j * LANES)), cache=1)
    for i in range(rows):
        prefetch(b, at(b, parameters["rows"], b.mul(parameters["stride"], i64(rows + i))), cache=1)


def _initial_sums(b: ir.IRBuilder, kind: UnitKind, rows: int, parameters: Parameters) -> list[list[Any]]:
    """Return the values that the sums start from."""
    if kind.sums == INTS:
        start = [load(b, at(b, parameters["start"], i64(j * LANES)), INTS) for j in range(VECTORS)]
    else:
        start = [floats(0.0)] * VECTORS
    before = b.block
    with b.if_then(b.not_(parameters["first"])):
        loaded = [
            load(b, address, kind.sums, align=64)
            for address, _ in _partial_addresses(b, parameters["partial"], [start] * rows)
        ]
        loading = b.block
    sums = []
    for i in range(rows):
        sums.append([b.phi(kind.sums) for _ in range(VECTORS)])
        for j, phi in enumerate(sums[i]):
            phi.add_incoming(start[j], before)
            phi.add_incoming(loaded[i * VECTORS + j], loading)
    return sums


def _accumulate(b: ir.IRBuilder, kind: UnitKind, rows: int, parameters: Parameters) -> list[list[Any]]:
    """Return the loop over the units; returns the sums."""
    addresses = [at(b, parameters["rows"], b.mul(parameters["stride"], i64(i))) for i in range(rows)]
    initial = _initial_sums(b, kind, rows, parameters)
    before, body, after = b.block, *(b.function.append_basic_block(name) for name in ("units", "done"))
    b.branch(body)
    b.position_at_end(body)
    unit = b.phi(I64)
    unit.add_incoming(i64(0), before)
    running = [[b.phi(kind.sums) for _ in row] for row in initial]
    panel = at(b, parameters["panel"], b.mul(unit, i64(COLUMNS)))
    columns = [load(b, at(b, panel, i64(j * LANES)), INTS, align=64) for j in range(VECTORS)]
    prefetch(b, at(b, parameters["next_panel"], b.mul(unit, i64(LANES))))
    updated = []
    for address, sums in zip(addresses, running, strict=True):
        row = broadcast(b, b.load(at(b, address, unit)))
        updated.append(
            [kind.step(b, total, row, column) for total, column in zip(sums, columns, strict=True)]
        )
    following = b.add(unit, i64(1))
    unit.add_incoming(following, body)
    for i, j in itertools.product(range(rows), range(VECTORS)):
        running[i][j].add_incoming(initial[i][j], before)
        running[i][j].add_incoming(updated[i][j], body)
    b.cbranch(b.icmp_signed("<", following, parameters["units"]), body, after)
    b.position_at_end(after)
    return updated
