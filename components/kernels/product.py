"""The product of rows with a packed weight, tile by tile, in LLVM's intermediate representation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.ir import F32, I32, I64, LANES, VOID, at, choose, i64, loop, smaller
from components.kernels.tile import COLUMNS, PARAMETERS, ROWS, tile

ARGUMENTS = (
    "rows", "weight", "out", "n_rows", "panels", "outputs", "units", "block", "partial", "bias",
    "row_scales", "column_scales", "start",
)  # fmt: skip
"""The 64-bit numbers that :func:`product` takes: addresses of the rows (n_rows, units), the weight
(panels, units, 64) and the outputs (n_rows, outputs); their sizes; rows taken together; room for sums
(parts, block, 64) where there are more than :data:`TOGETHER` units; and for the tiles addresses of what is
added (panels * 64), and for int8 of the scales and the sums' start."""
TOGETHER = 512
"""Units multiplied before the next rows' turn: 128 KB of a panel, which stay in the second cache."""
_FETCHED = 4
"""Tiles that fetch what comes next of the weight, 16 columns each."""


def product(arithmetic: str, activation: str, gated: bool) -> ir.Function:
    """``product(arguments, part, parts)``: part ``part`` of ``parts`` of all outputs.

    Its work is cut into blocks of rows by panels of the weight.
    """
    module = ir.Module("product")
    tiles = [tile(module, rows, arithmetic, activation, gated) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "product")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    given = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    room = b.mul(part, b.mul(given["block"], i64(4 * COLUMNS)))
    given["partial"] = b.add(given["partial"], room)
    blocks = b.sdiv(b.sub(b.add(given["n_rows"], given["block"]), i64(1)), given["block"])
    work = b.mul(given["panels"], blocks)
    first, last = (b.sdiv(b.mul(work, p), parts) for p in (part, b.add(part, i64(1))))
    width = COLUMNS // 2 if gated else COLUMNS
    with loop(b, first, last) as number:
        block, panel = b.sdiv(number, given["panels"]), b.srem(number, given["panels"])
        start = b.mul(block, given["block"])
        rows = smaller(b, given["block"], b.sub(given["n_rows"], start))
        groups = b.sdiv(b.add(rows, i64(ROWS - 1)), i64(ROWS))
        height, higher = b.sdiv(rows, groups), b.srem(rows, groups)  # of equal size, give or take one
        with loop(b, i64(0), given["units"], TOGETHER) as unit, loop(b, i64(0), groups) as group:
            row = b.add(b.mul(group, height), smaller(b, group, higher))
            taken = b.add(height, b.zext(b.icmp_signed("<", group, higher), I64))
            values = _of_tile(b, given, panel, unit, row, start, width)
            values["ahead"] = _coming(b, values, group)
            choose(b, tiles, taken, [values[name] for name, _ in PARAMETERS])
    b.ret_void()
    return function


def _of_tile(
    b: ir.IRBuilder, given: dict[str, Any], panel: Any, unit: Any, row: Any, start: Any, width: int
) -> dict[str, Any]:
    """Its parameters: the rows from ``row`` on of a block from ``start`` on, the units from ``unit`` on."""

    def pointer(name: str, kind: Any, offset: Any) -> Any:
        return at(b, b.inttoptr(given[name], kind.as_pointer()), offset)

    units, outputs = given["units"], given["outputs"]
    column, output = b.mul(panel, i64(COLUMNS)), b.mul(panel, i64(width))
    taken = smaller(b, i64(TOGETHER), b.sub(units, unit))
    held = pointer("weight", I32, b.mul(b.add(b.mul(panel, units), unit), i64(COLUMNS)))
    number = b.add(start, row)
    return {
        "rows": pointer("rows", I32, b.add(b.mul(number, units), unit)),
        "stride": units,
        "panel": held,
        "units": taken,
        "partial": pointer("partial", I32, b.mul(row, i64(COLUMNS))),
        "first": b.icmp_signed("==", unit, i64(0)),
        "last": b.icmp_signed("==", b.add(unit, taken), units),
        "out": pointer("out", F32, b.add(b.mul(number, outputs), output)),
        "width": outputs,
        "columns": b.sub(outputs, output),
        "bias": pointer("bias", F32, column),
        "row_scales": pointer("row_scales", F32, number),
        "column_scales": pointer("column_scales", F32, column),
        "start": pointer("start", I32, column),
    }


def _coming(b: ir.IRBuilder, values: dict[str, Any], group: Any) -> Any:
    """A part of what follows in the weight, another for each of the first groups of rows."""
    size, part = (b.mul(values["units"], i64(n)) for n in (COLUMNS, LANES))
    early = b.icmp_signed("<", group, i64(_FETCHED))
    offset = b.select(early, b.add(size, b.mul(group, part)), i64(0))
    return at(b, values["panel"], offset)
