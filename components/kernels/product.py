"""The product of rows with a packed weight, tile by tile, in LLVM's intermediate representation."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from components.kernels.ir import F32, I8, I32, I64, LANES, VOID, at, i64, loop, smaller
from components.kernels.tile import COLUMNS, PARAMETERS, ROWS, tile

ARGUMENTS = (
    "rows", "weight", "out", "n_rows", "width", "units", "block", "bias", "row_scales", "column_scales",
    "start",
)  # fmt: skip
"""The 64-bit numbers that :func:`product` takes: addresses of the rows (n_rows, units), the weight in panels
(panels, units, 64) and the outputs (n_rows, width); their sizes; rows taken together; and for the tiles
addresses of what is added (panels * 64), and for int8 of the scales and the sums' start."""
_FETCHED = 4
"""Tiles that fetch the next panel, 16 columns each."""


def product(arithmetic: str, activation: str) -> ir.Function:
    """``product(arguments, part, parts)``: part ``part`` of ``parts`` of all outputs.

    Its work is cut into blocks of rows, which stay in the cache, by panels of the weight.
    """
    module = ir.Module("product")
    tiles = [tile(module, rows, arithmetic, activation) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "product")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    given = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    panels = b.sdiv(b.add(given["width"], i64(COLUMNS - 1)), i64(COLUMNS))
    blocks = b.sdiv(b.sub(b.add(given["n_rows"], given["block"]), i64(1)), given["block"])
    work = b.mul(panels, blocks)
    first, last = (b.sdiv(b.mul(work, p), parts) for p in (part, b.add(part, i64(1))))
    with loop(b, first, last) as number:
        _panel(b, tiles, given, b.sdiv(number, panels), b.srem(number, panels))
    b.ret_void()
    return function


def _panel(b: ir.IRBuilder, tiles: list[Any], given: dict[str, Any], block: Any, panel: Any) -> None:
    """The outputs of a block of rows and a panel of columns."""

    def pointer(name: str, kind: Any, offset: Any) -> Any:
        return at(b, b.inttoptr(given[name], kind.as_pointer()), offset)

    start = b.mul(block, given["block"])
    stop = smaller(b, b.add(start, given["block"]), given["n_rows"])
    units, width, column = given["units"], given["width"], b.mul(panel, i64(COLUMNS))
    size = b.mul(units, i64(COLUMNS))
    held = pointer("weight", I32, b.mul(panel, size))
    with loop(b, start, stop, ROWS) as row:
        group = b.sdiv(b.sub(row, start), i64(ROWS))
        early = b.icmp_signed("<", group, i64(_FETCHED))
        offset = b.add(size, b.mul(group, b.mul(units, i64(LANES))))
        values = {
            "rows": pointer("rows", I32, b.mul(row, units)),
            "stride": units,
            "panel": held,
            "units": units,
            "out": pointer("out", F32, b.add(b.mul(row, width), column)),
            "width": width,
            "columns": b.sub(width, column),
            "bias": pointer("bias", F32, column),
            "row_scales": pointer("row_scales", F32, row),
            "column_scales": pointer("column_scales", F32, column),
            "start": pointer("start", I32, column),
            "ahead": b.bitcast(at(b, held, b.select(early, offset, i64(0))), I8.as_pointer()),
        }
        _call(b, tiles, b.sub(stop, row), [values[name] for name, _ in PARAMETERS])


def _call(b: ir.IRBuilder, tiles: list[Any], rows: Any, values: list[Any]) -> None:
    """The tile for so many ``rows``, or the largest."""
    done = b.function.append_basic_block("tiled")
    largest = b.function.append_basic_block("largest")
    switch = b.switch(rows, largest)
    for height, function in enumerate(tiles[:-1], 1):
        block = b.function.append_basic_block(f"rows{height}")
        switch.add_case(i64(height), block)
        b.position_at_end(block)
        b.call(function, values)
        b.branch(done)
    b.position_at_end(largest)
    b.call(tiles[-1], values)
    b.branch(done)
    b.position_at_end(done)
