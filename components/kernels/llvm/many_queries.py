"""Attention of many queries, as in an encoder, in LLVM's intermediate representation.

Head by head its keys are laid out as panels of a weight, and every six queries go through both products
while their scores stay near the processor, as in FlashAttention (Dao et al., 2022, arXiv:2205.14135), but all
of their keys at once.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir

from components.kernels.llvm.attention import softmax
from components.kernels.llvm.ir import (
    F32,
    FLOATS,
    I1,
    I32,
    I64,
    LANES,
    VOID,
    at,
    broadcast,
    call_nth,
    floats,
    i64,
    ints,
    load,
    loop,
    minimum,
    store_masked,
)
from components.kernels.llvm.tile import COLUMNS, PARAMETERS, ROWS, build_tile

WIDTH = COLUMNS
"""Numbers of a head: its values are one panel as they are."""
ARGUMENTS = (
    "queries", "query_row", "query_head", "keys", "values", "key_row", "key_head", "value_row", "value_head",
    "bias", "nothing", "out", "workspace", "room", "heads", "n_queries", "n_keys",
)  # fmt: skip
"""The 64-bit numbers that :func:`build_many_queries` takes.

Addresses of queries, keys and values with the strides of their rows and heads in floats; of the bias
(n_keys), of 64 zeros, of the outputs (n_queries, heads * 64), and of the workspace, with the floats of each
part's room in it: :func:`workspace_of`.
"""
_FLOAT, _UNIT = F32.as_pointer(), I32.as_pointer()


def workspace_of(n_keys: int) -> int:
    """Return the floats of room that a part needs: panels of keys, values, scores, and their sums."""
    return -(-n_keys // COLUMNS) * COLUMNS * (2 * WIDTH + ROWS) + LANES


def build_many_queries() -> ir.Function:
    """Return the function ``many_queries(arguments, part, parts)``: one of ``parts`` parts of the heads."""
    module = ir.Module("many_queries")
    tiles = [build_tile(module, rows, "float32", "none", False) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "many_queries")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    given = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    n, n_keys = given["n_queries"], given["n_keys"]
    panels = b.sdiv(b.add(n_keys, i64(COLUMNS - 1)), i64(COLUMNS))
    filled = b.mul(panels, i64(COLUMNS))

    def address(name: str, *offsets: Any) -> Any:
        return at(b, b.inttoptr(given[name], _FLOAT), functools.reduce(b.add, offsets, i64(0)))

    key_panels = address("workspace", b.mul(part, given["room"]))
    value_panel = at(b, key_panels, b.mul(filled, i64(WIDTH)))
    scores = at(b, value_panel, b.mul(filled, i64(WIDTH)))
    shares = at(b, scores, b.mul(filled, i64(ROWS)))
    groups = b.sdiv(b.add(n, i64(ROWS - 1)), i64(ROWS))
    height, higher = b.sdiv(n, groups), b.srem(n, groups)  # sizes differ by one at most
    out_row = b.mul(given["heads"], i64(WIDTH))
    yes, nowhere, nothing = ir.Constant(I1, 1), ir.Constant(_UNIT, None), address("nothing")
    constant = {
        "units": i64(WIDTH), "partial": nowhere, "first": yes, "last": yes, "columns": i64(COLUMNS),
        "bias": nothing, "row_scales": nothing, "column_scales": nothing, "start": nowhere,
    }  # fmt: skip

    def multiply(rows: Any, n_rows: Any, panel: Any, following: Any, **more: Any) -> None:
        values = {**constant, **more, "rows": b.bitcast(rows, _UNIT), "panel": b.bitcast(panel, _UNIT)}
        values["next_panel"] = b.bitcast(following, _UNIT)
        call_nth(b, tiles, n_rows, [values[name] for name, _ in PARAMETERS])

    first, last = (b.sdiv(b.mul(given["heads"], p), parts) for p in (part, b.add(part, i64(1))))
    with loop(b, first, last) as head:
        keys, values = (address(f"{name}s", b.mul(head, given[f"{name}_head"])) for name in ("key", "value"))
        with loop(b, i64(0), filled, LANES) as key:
            _transpose_keys(b, keys, given["key_row"], key, n_keys, key_panels)
        _copy_rows(b, values, given["value_row"], n_keys, value_panel)
        with loop(b, i64(0), groups) as group:
            row = b.add(b.mul(group, height), minimum(b, group, higher))
            n_rows = b.add(height, b.zext(b.icmp_signed("<", group, higher), I64))
            query = address("queries", b.mul(head, given["query_head"]), b.mul(row, given["query_row"]))
            with loop(b, i64(0), panels) as panel:
                here = at(b, key_panels, b.mul(panel, i64(COLUMNS * WIDTH)))
                target = at(b, scores, b.mul(panel, i64(COLUMNS)))
                following = at(b, here, i64(COLUMNS * WIDTH))
                more = {"stride": given["query_row"], "out": target, "width": filled}
                multiply(query, n_rows, here, following, **more)
            with loop(b, i64(0), n_rows) as one:
                total = softmax(b, at(b, scores, b.mul(one, filled)), address("bias"), n_keys)
                b.store(b.fdiv(ir.Constant(F32, 1.0), total), at(b, shares, one))
            target = address("out", b.mul(row, out_row), b.mul(head, i64(WIDTH)))
            more = {"stride": filled, "units": n_keys, "out": target, "width": out_row}
            multiply(scores, n_rows, value_panel, key_panels, **more)
            with loop(b, i64(0), n_rows) as one:
                _scale_row(b, at(b, target, b.mul(one, out_row)), b.load(at(b, shares, one)))
    b.ret_void()
    return function


def _transpose_keys(b: ir.IRBuilder, keys: Any, stride: Any, key: Any, n_keys: Any, panels: Any) -> None:
    """Lay 16 keys from ``key`` on, scaled, out in their panel; behind the last key it is repeated."""
    panel = b.mul(b.sdiv(key, i64(COLUMNS)), i64(COLUMNS * WIDTH))
    corner = b.add(panel, b.srem(key, i64(COLUMNS)))
    numbers = [minimum(b, b.add(key, i64(i)), b.sub(n_keys, i64(1))) for i in range(LANES)]
    rows = [at(b, keys, b.mul(number, stride)) for number in numbers]
    for start in range(0, WIDTH, LANES):
        square = [b.fmul(load(b, at(b, row, i64(start)), FLOATS), floats(WIDTH**-0.5)) for row in rows]
        for i, column in enumerate(_transpose(b, square)):
            place = b.add(corner, i64((start + i) * COLUMNS))
            store_masked(b, column, at(b, panels, place), None)


def _transpose(b: ir.IRBuilder, square: list[Any]) -> list[Any]:
    """Transpose 16 vectors: at each step squares of half the size beside the diagonal are exchanged."""
    for size in (8, 4, 2, 1):
        lanes = [i if not i & size else i - size + LANES for i in range(LANES)]
        upper, lower = ints(lanes), ints([lane + size for lane in lanes])
        rows = list(square)
        for i in (i for i in range(LANES) if not i & size):
            rows[i] = b.shuffle_vector(square[i], square[i + size], upper)
            rows[i + size] = b.shuffle_vector(square[i], square[i + size], lower)
        square = rows
    return square


def _copy_rows(b: ir.IRBuilder, source: Any, stride: Any, count: Any, target: Any) -> None:
    with loop(b, i64(0), count) as row:
        for start in range(0, WIDTH, LANES):
            vector = load(b, at(b, source, b.add(b.mul(row, stride), i64(start))), FLOATS)
            store_masked(b, vector, at(b, target, b.add(b.mul(row, i64(WIDTH)), i64(start))), None)


def _scale_row(b: ir.IRBuilder, row: Any, factor: Any) -> None:
    for start in range(0, WIDTH, LANES):
        place = at(b, row, i64(start))
        store_masked(b, b.fmul(load(b, place, FLOATS), broadcast(b, factor)), place, None)
