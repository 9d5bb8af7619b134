"""The product of rows with a packed weight, tile by tile, in LLVM's intermediate representation.

A weight is packed in panels of 64 outputs; a unit is 32 bits of its inputs (see :mod:`.tile`).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.llvm.ir import F32, I32, I64, LANES, VOID, at, call_nth, i64, loop, minimum
from components.kernels.llvm.tile import COLUMNS, PARAMETERS, ROWS, build_tile

ARGUMENTS = (
    "rows", "weight", "out", "n_rows", "panels", "outputs", "units", "block", "partial", "bias",
    "row_scales", "column_scales", "start",
)  # fmt: skip
"""The 64-bit numbers that :func:`build_product` takes.

Addresses of the rows (n_rows, units), the weight (panels, units, 64) and the outputs (n_rows, outputs), and
their sizes. ``block``: rows of a block. ``partial``: address of room for sums (parts, block, 64), used where
there are more than :data:`UNITS_PER_PASS` units. Addresses of the bias (panels * 64), and for int8 of the
scales of rows and columns and of what the sums start from.
"""
UNITS_PER_PASS = 512
"""Units of a panel that all rows use before the next ones: 128 KB, which stay in the second-level cache."""
_PREFETCHING_TILES = 4
"""Groups of rows that prefetch the next panel, 16 columns each."""


def build_product(arithmetic: str, activation: str, gated: bool) -> ir.Function:
    """Build ``product(arguments, part, parts)``, which computes one of ``parts`` parts of the outputs.

    The work is divided into blocks of rows by panels of the weight.
    """
    module = ir.Module("product")
    tiles = [build_tile(module, rows, arithmetic, activation, gated) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "product")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    parameters = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    room = b.mul(part, b.mul(parameters["block"], i64(4 * COLUMNS)))
    parameters["partial"] = b.add(parameters["partial"], room)
    blocks = b.sdiv(b.sub(b.add(parameters["n_rows"], parameters["block"]), i64(1)), parameters["block"])
    work = b.mul(parameters["panels"], blocks)
    first, last = (b.sdiv(b.mul(work, p), parts) for p in (part, b.add(part, i64(1))))
    width = COLUMNS // 2 if gated else COLUMNS
    with loop(b, first, last) as number:
        block, panel = b.sdiv(number, parameters["panels"]), b.srem(number, parameters["panels"])
        start = b.mul(block, parameters["block"])
        rows = minimum(b, parameters["block"], b.sub(parameters["n_rows"], start))
        groups = b.sdiv(b.add(rows, i64(ROWS - 1)), i64(ROWS))
        height, higher = b.sdiv(rows, groups), b.srem(rows, groups)  # sizes differ by one at most
        with loop(b, i64(0), parameters["units"], UNITS_PER_PASS) as unit, loop(b, i64(0), groups) as group:
            row = b.add(b.mul(group, height), minimum(b, group, higher))
            n_rows = b.add(height, b.zext(b.icmp_signed("<", group, higher), I64))
            values = _tile_parameters(b, parameters, panel, unit, row, start, width)
            values["next_panel"] = _next_panel_address(b, values, group)
            call_nth(b, tiles, n_rows, [values[name] for name, _ in PARAMETERS])
    b.ret_void()
    return function


def _tile_parameters(
    b: ir.IRBuilder, parameters: dict[str, Any], panel: Any, unit: Any, row: Any, start: Any, width: int
) -> dict[str, Any]:
    """Return parameters of a tile: rows from ``row`` on of the block at ``start``, units from ``unit`` on."""

    def pointer(name: str, kind: Any, offset: Any) -> Any:
        return at(b, b.inttoptr(parameters[name], kind.as_pointer()), offset)

    units, outputs = parameters["units"], parameters["outputs"]
    column, output = b.mul(panel, i64(COLUMNS)), b.mul(panel, i64(width))
    n_units = minimum(b, i64(UNITS_PER_PASS), b.sub(units, unit))
    panel_address = pointer("weight", I32, b.mul(b.add(b.mul(panel, units), unit), i64(COLUMNS)))
    number = b.add(start, row)
    return {
        "rows": pointer("rows", I32, b.add(b.mul(number, units), unit)),
        "stride": units,
        "panel": panel_address,
        "units": n_units,
        "partial": pointer("partial", I32, b.mul(row, i64(COLUMNS))),
        "first": b.icmp_signed("==", unit, i64(0)),
        "last": b.icmp_signed("==", b.add(unit, n_units), units),
        "out": pointer("out", F32, b.add(b.mul(number, outputs), output)),
        "width": outputs,
        "columns": b.sub(outputs, output),
        "bias": pointer("bias", F32, column),
        "row_scales": pointer("row_scales", F32, number),
        "column_scales": pointer("column_scales", F32, column),
        "start": pointer("start", I32, column),
    }


def _next_panel_address(b: ir.IRBuilder, values: dict[str, Any], group: Any) -> Any:
    """Return address of a part of the next panel, a different one for each of the first groups of rows."""
    size, part = (b.mul(values["units"], i64(n)) for n in (COLUMNS, LANES))
    early = b.icmp_signed("<", group, i64(_PREFETCHING_TILES))
    offset = b.select(early, b.add(size, b.mul(group, part)), i64(0))
    return at(b, values["panel"], offset)
