"""The product of rows with a packed weight, tile by tile, in LLVM's intermediate representation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.llvm.ir import F32, I32, I64, LANES, VOID, at, call_nth, i64, loop, minimum
from components.kernels.llvm.tile import COLUMNS, PARAMETERS, ROWS, build_tile

ARGUMENTS = (
    "rows", "weight", "out", "n_rows", "panels", "outputs", "units", "block", "partial", "bias",
    "row_scales", "column_scales", "start",
)  # fmt: skip
"""The 64-bit numbers that :func:`build_product` takes: addresses of the rows (n_rows, units), the weight
(panels, units, 64) and the outputs (n_rows, outputs); their sizes; rows taken together; room for sums
(parts, block, 64) where there are more than :data:`UNITS_PER_PASS` units; and for the tiles addresses of what is
added (panels * 64), and for int8 of the scales and the sums' start."""
UNITS_PER_PASS = 512
"""Units multiplied before the next rows' turn: 128 KB of a panel, which stay in the second cache."""
_PREFETCHING_TILES = 4
"""Tiles that fetch what comes next of the weight, 16 columns each."""


def build_product(arithmetic: str, activation: str, gated: bool) -> ir.Function:
    """``product(arguments, part, parts)``: part ``part`` of ``parts`` of all outputs.

    Its work is cut into blocks of rows by panels of the weight.
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
        height, higher = b.sdiv(rows, groups), b.srem(rows, groups)  # of equal size, give or take one
        with loop(b, i64(0), parameters["units"], UNITS_PER_PASS) as unit, loop(b, i64(0), groups) as group:
            row = b.add(b.mul(group, height), minimum(b, group, higher))
            n_rows = b.add(height, b.zext(b.icmp_signed("<", group, higher), I64))
            values = _tile_parameters(b, parameters, panel, unit, row, start, width)
            values["ahead"] = _next_panel_address(b, values, group)
            call_nth(b, tiles, n_rows, [values[name] for name, _ in PARAMETERS])
    b.ret_void()
    return function


def _tile_parameters(
    b: ir.IRBuilder, parameters: dict[str, Any], panel: Any, unit: Any, row: Any, start: Any, width: int
) -> dict[str, Any]:
    """Its parameters: the rows from ``row`` on of a block from ``start`` on, the units from ``unit`` on."""

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
    """A part of what follows in the weight, another for each of the first groups of rows."""
    size, part = (b.mul(values["units"], i64(n)) for n in (COLUMNS, LANES))
    early = b.icmp_signed("<", group, i64(_PREFETCHING_TILES))
    offset = b.select(early, b.add(size, b.mul(group, part)), i64(0))
    return at(b, values["panel"], offset)
