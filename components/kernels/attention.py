"""Attention of a few queries to many keys, in LLVM's intermediate representation.

A search asks with some rows per utterance. Of the keys and values every number is used for these few rows
only, so that reading them is most of the work, if nothing else is written and read again in between.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir

from components.kernels.activations import exp
from components.kernels.ir import (
    F32,
    FLOATS,
    I64,
    LANES,
    VOID,
    at,
    choose,
    everywhere,
    fetch,
    floats,
    i64,
    intrinsic,
    lanes_below,
    load,
    load_where,
    loop,
    store_where,
)

ARGUMENTS = (
    "queries", "query_n", "query_row", "keys", "values", "store_n", "store_head", "mask", "mask_n",
    "mask_row", "out", "room", "heads", "asked", "places", "work",
)  # fmt: skip
"""The 64-bit numbers that :func:`attention` takes: addresses of the queries (n, asked, heads * width), keys
and values (n, heads, places, width) and the mask (n, asked, places), each with what lies between one and the
next of its first two dimensions, in floats; of the outputs (n, asked, heads * width) and room for weights
(parts, :data:`ROWS`, places in whole vectors); heads, queries of each n and places; and n * heads."""
ROWS = 5
"""Queries taken together: at a width of 64 they fill 20 of AVX-512's 32 registers."""
_POINTERS = ("query", "keys", "values", "coming", "mask", "out", "room")
_TILE = (*_POINTERS, "query_row", "mask_row", "out_row", "places")
"""Parameters of a tile: the queries and outputs of one head, keys and values that it has and the keys that
the next one has, the mask, room for weights; and the distances of rows, and the number of places."""
_FLOAT = F32.as_pointer()
Given = dict[str, Any]


def attention(width: int) -> ir.Function:
    """``attention(arguments, part, parts)`` of queries of ``width`` numbers, a multiple of 16."""
    module = ir.Module("attention")
    tiles = [_tile(module, rows, width) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "attention")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    given = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    given["room"] = b.add(given["room"], b.mul(part, b.mul(_line(b, given["places"]), i64(4 * ROWS))))
    first, last = (b.sdiv(b.mul(given["work"], p), parts) for p in (part, b.add(part, i64(1))))
    with loop(b, first, last) as number, loop(b, i64(0), given["asked"], ROWS) as row:
        values = _of_tile(b, given, number, row, width)
        choose(b, tiles, b.sub(given["asked"], row), [values[name] for name in _TILE])
    b.ret_void()
    return function


def _of_tile(b: ir.IRBuilder, given: Given, number: Any, row: Any, width: int) -> Given:
    """The parameters of the tile of the queries from ``row`` on of the ``number``-th head of all."""
    n, head = b.sdiv(number, given["heads"]), b.srem(number, given["heads"])
    wide, out_row = b.mul(head, i64(width)), b.mul(given["heads"], i64(width))
    stored = b.add(b.mul(n, given["store_n"]), b.mul(head, given["store_head"]))

    def place(name: str, *offsets: Any) -> Any:
        return at(b, b.inttoptr(given[name], _FLOAT), functools.reduce(b.add, offsets, i64(0)))

    def of_row(name: str) -> tuple[Any, Any]:
        return b.mul(n, given[f"{name}_n"]), b.mul(row, given[f"{name}_row"])

    return {
        "query": place("queries", *of_row("query"), wide),
        "keys": place("keys", stored),
        "values": place("values", stored),
        "coming": place("keys", stored, given["store_head"]),
        "mask": place("mask", *of_row("mask")),
        "out": place("out", b.mul(b.add(b.mul(n, given["asked"]), row), out_row), wide),
        "room": place("room"),
        "query_row": given["query_row"],
        "mask_row": given["mask_row"],
        "out_row": out_row,
        "places": given["places"],
    }


def _line(b: ir.IRBuilder, places: Any) -> Any:
    """Weights of a row, in whole vectors."""
    return b.mul(b.sdiv(b.add(places, i64(LANES - 1)), i64(LANES)), i64(LANES))


def _tile(module: ir.Module, rows: int, width: int) -> ir.Function:
    """A function of :data:`_TILE` for ``rows`` queries of one head."""
    types = [_FLOAT if name in _POINTERS else I64 for name in _TILE]
    function = ir.Function(module, ir.FunctionType(VOID, types), f"tile{rows}")
    function.linkage = "internal"
    given = dict(zip(_TILE, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    line = _line(b, given["places"])
    lines = [at(b, given["room"], b.mul(line, i64(row))) for row in range(rows)]
    _multiply(b, given, lines, width)
    sums = [_softmax(b, given, lines[row], i64(row)) for row in range(rows)]
    _average(b, given, lines, sums, width)
    b.ret_void()
    return function


def _multiply(b: ir.IRBuilder, given: Given, lines: list[Any], width: int) -> None:
    """Every query's products with all keys, into its line."""
    vectors = range(width // LANES)
    starts = [at(b, given["query"], b.mul(given["query_row"], i64(r))) for r in range(len(lines))]
    loaded = [[load(b, at(b, start, i64(j * LANES)), FLOATS) for j in vectors] for start in starts]
    queries = [[b.fmul(each, floats(width**-0.5)) for each in query] for query in loaded]
    with loop(b, i64(0), given["places"]) as place:
        key = at(b, given["keys"], b.mul(place, i64(width)))
        keys = [load(b, at(b, key, i64(j * LANES)), FLOATS) for j in vectors]
        _fetch(b, at(b, given["values"], b.mul(place, i64(width))), width)
        for query, line in zip(queries, lines, strict=True):
            total = b.fmul(query[0], keys[0])
            for mine, theirs in zip(query[1:], keys[1:], strict=True):
                total = intrinsic(b, "llvm.fma.v16f32", FLOATS, mine, theirs, total)
            b.store(_sum(b, total), at(b, line, place))


def _fetch(b: ir.IRBuilder, pointer: Any, width: int) -> None:
    """Ask for what will be read soon."""
    for offset in range(0, width, LANES):
        fetch(b, at(b, pointer, i64(offset)))


def _sum(b: ir.IRBuilder, vector: Any) -> Any:
    """The sum of the lanes, by halves."""
    name, flags = "llvm.vector.reduce.fadd.v16f32", ("reassoc",)
    return intrinsic(b, name, F32, ir.Constant(F32, -0.0), vector, flags=flags)


def _softmax(b: ir.IRBuilder, given: Given, line: Any, row: Any) -> Any:
    """Products plus mask -> weights, not normalised, in place; returns their sum."""
    places = given["places"]
    mask = at(b, given["mask"], b.mul(given["mask_row"], row))
    with b.goto_entry_block():  # where LLVM turns them into registers
        largest, total = b.alloca(FLOATS), b.alloca(FLOATS)
    b.store(floats(float("-inf")), largest)
    b.store(floats(0.0), total)
    with loop(b, i64(0), places, LANES) as place:
        there = lanes_below(b, b.sub(places, place))
        held = at(b, line, place)
        value = b.fadd(load(b, held, FLOATS), load_where(b, at(b, mask, place), there))
        value = b.select(there, value, floats(float("-inf")))
        store_where(b, value, held, None)
        b.store(intrinsic(b, "llvm.maxnum.v16f32", FLOATS, value, b.load(largest)), largest)
    top = everywhere(b, intrinsic(b, "llvm.vector.reduce.fmax.v16f32", F32, b.load(largest)))
    with loop(b, i64(0), places, LANES) as place:
        held = at(b, line, place)
        weight = exp(b, b.fsub(load(b, held, FLOATS), top))
        store_where(b, weight, held, None)
        b.store(b.fadd(weight, b.load(total)), total)
    return _sum(b, b.load(total))


def _average(b: ir.IRBuilder, given: Given, lines: list[Any], sums: list[Any], width: int) -> None:
    """The values' average by the weights, to every query's output."""
    vectors, rows = range(width // LANES), range(len(lines))
    before, body, done = b.block, *(b.function.append_basic_block(name) for name in ("values", "averaged"))
    b.branch(body)
    b.position_at_end(body)
    place = b.phi(I64)
    held = [[b.phi(FLOATS) for _ in vectors] for _ in rows]
    value = at(b, given["values"], b.mul(place, i64(width)))
    values = [load(b, at(b, value, i64(j * LANES)), FLOATS) for j in vectors]
    _fetch(b, at(b, given["coming"], b.mul(place, i64(width))), width)
    added = []
    for line, totals in zip(lines, held, strict=True):
        weight = everywhere(b, b.load(at(b, line, place)))
        pairs = zip(values, totals, strict=True)
        added.append([intrinsic(b, "llvm.fma.v16f32", FLOATS, weight, *pair) for pair in pairs])
    following = b.add(place, i64(1))
    place.add_incoming(i64(0), before)
    place.add_incoming(following, body)
    for r in rows:
        for j in vectors:
            held[r][j].add_incoming(floats(0.0), before)
            held[r][j].add_incoming(added[r][j], body)
    b.cbranch(b.icmp_signed("<", following, given["places"]), body, done)
    b.position_at_end(done)
    for r in rows:
        share = everywhere(b, b.fdiv(ir.Constant(F32, 1.0), sums[r]))
        out = at(b, given["out"], b.mul(given["out_row"], i64(r)))
        for j in vectors:
            store_where(b, b.fmul(added[r][j], share), at(b, out, i64(j * LANES)), None)
