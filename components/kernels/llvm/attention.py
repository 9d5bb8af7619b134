"""Attention of a few queries to many keys, in LLVM's intermediate representation.

In a search every utterance has a few rows, so each number of the keys and values is used only a few times:
reading them is most of the work, provided that nothing else is written and read again in between.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir

from components.kernels.llvm.activations import exp
from components.kernels.llvm.ir import (
    F32,
    FLOATS,
    I64,
    LANES,
    VOID,
    at,
    broadcast,
    call_nth,
    floats,
    i64,
    intrinsic,
    lanes_below,
    load,
    load_masked,
    loop,
    prefetch,
    store_masked,
)

ARGUMENTS = (
    "queries", "query_n", "query_row", "keys", "values", "kv_n", "kv_head", "mask", "mask_n",
    "mask_row", "out", "workspace", "heads", "n_queries", "n_keys", "work",
)  # fmt: skip
"""The 64-bit numbers that :func:`build_attention` takes.

Addresses of the queries (n, n_queries, heads * width), the keys and values (n, heads, n_keys, width), the
mask (n, n_queries, n_keys) and the outputs (n, n_queries, heads * width). Behind queries, keys and mask the
strides of their first two dimensions, in floats. ``workspace``: address of floats for the weights, (parts,
:data:`ROWS`, n_keys rounded up to 16). ``work``: n * heads.
"""
ROWS = 5
"""Queries that are computed together: at a width of 64 they fill 20 of AVX-512's 32 registers."""
_POINTERS = ("query", "keys", "values", "next_keys", "mask", "out", "workspace")
_TILE = (*_POINTERS, "query_row", "mask_row", "out_row", "n_keys")
"""Parameters of a tile: addresses of the queries, keys, values, mask and outputs of one head, of the next
head's keys and of the workspace; strides of a row; and the number of keys."""
_FLOAT = F32.as_pointer()
Parameters = dict[str, Any]


def build_attention(width: int) -> ir.Function:
    """Build ``attention(arguments, part, parts)`` for heads of ``width`` numbers, a multiple of 16."""
    module = ir.Module("attention")
    tiles = [_build_tile(module, rows, width) for rows in range(1, ROWS + 1)]
    function = ir.Function(module, ir.FunctionType(VOID, [I64.as_pointer(), I64, I64]), "attention")
    arguments, part, parts = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    parameters = {name: b.load(at(b, arguments, i64(n))) for n, name in enumerate(ARGUMENTS)}
    parameters["workspace"] = b.add(
        parameters["workspace"],
        b.mul(part, b.mul(_row_length(b, parameters["n_keys"]), i64(4 * ROWS))),
    )
    first, last = (b.sdiv(b.mul(parameters["work"], p), parts) for p in (part, b.add(part, i64(1))))
    with loop(b, first, last) as number, loop(b, i64(0), parameters["n_queries"], ROWS) as row:
        values = _tile_parameters(b, parameters, number, row, width)
        call_nth(b, tiles, b.sub(parameters["n_queries"], row), [values[name] for name in _TILE])
    b.ret_void()
    return function


def _tile_parameters(
    b: ir.IRBuilder, parameters: Parameters, number: Any, row: Any, width: int
) -> Parameters:
    """Return the parameters of a tile: queries from ``row`` on, of the ``number``-th head of all."""
    n, head = b.sdiv(number, parameters["heads"]), b.srem(number, parameters["heads"])
    wide, out_row = b.mul(head, i64(width)), b.mul(parameters["heads"], i64(width))
    head_offset = b.add(b.mul(n, parameters["kv_n"]), b.mul(head, parameters["kv_head"]))

    def address(name: str, *offsets: Any) -> Any:
        return at(b, b.inttoptr(parameters[name], _FLOAT), functools.reduce(b.add, offsets, i64(0)))

    def of_row(name: str) -> tuple[Any, Any]:
        return b.mul(n, parameters[f"{name}_n"]), b.mul(row, parameters[f"{name}_row"])

    return {
        "query": address("queries", *of_row("query"), wide),
        "keys": address("keys", head_offset),
        "values": address("values", head_offset),
        "next_keys": address("keys", head_offset, parameters["kv_head"]),
        "mask": address("mask", *of_row("mask")),
        "out": address("out", b.mul(b.add(b.mul(n, parameters["n_queries"]), row), out_row), wide),
        "workspace": address("workspace"),
        "query_row": parameters["query_row"],
        "mask_row": parameters["mask_row"],
        "out_row": out_row,
        "n_keys": parameters["n_keys"],
    }


def _row_length(b: ir.IRBuilder, n_keys: Any) -> Any:
    """Return floats of a row of weights, rounded up to whole vectors."""
    return b.mul(b.sdiv(b.add(n_keys, i64(LANES - 1)), i64(LANES)), i64(LANES))


def _build_tile(module: ir.Module, rows: int, width: int) -> ir.Function:
    """Return the function with the parameters :data:`_TILE` for ``rows`` queries of one head."""
    types = [_FLOAT if name in _POINTERS else I64 for name in _TILE]
    function = ir.Function(module, ir.FunctionType(VOID, types), f"tile{rows}")
    function.linkage = "internal"
    parameters = dict(zip(_TILE, function.args, strict=True))
    b = ir.IRBuilder(function.append_basic_block("entry"))
    row_length = _row_length(b, parameters["n_keys"])
    lines = [at(b, parameters["workspace"], b.mul(row_length, i64(row))) for row in range(rows)]
    _query_key_products(b, parameters, lines, width)
    masks = [at(b, parameters["mask"], b.mul(parameters["mask_row"], i64(row))) for row in range(rows)]
    sums = [softmax(b, *each, parameters["n_keys"]) for each in zip(lines, masks, strict=True)]
    _store_weighted_values(b, parameters, lines, sums, width)
    b.ret_void()
    return function


def _query_key_products(b: ir.IRBuilder, parameters: Parameters, lines: list[Any], width: int) -> None:
    """Store the products of every query with all keys in its row of the workspace."""
    vectors = range(width // LANES)
    starts = [at(b, parameters["query"], b.mul(parameters["query_row"], i64(r))) for r in range(len(lines))]
    loaded = [[load(b, at(b, start, i64(j * LANES)), FLOATS) for j in vectors] for start in starts]
    queries = [[b.fmul(part, floats(width**-0.5)) for part in query] for query in loaded]
    with loop(b, i64(0), parameters["n_keys"]) as key_index:
        key = at(b, parameters["keys"], b.mul(key_index, i64(width)))
        keys = [load(b, at(b, key, i64(j * LANES)), FLOATS) for j in vectors]
        _prefetch(b, at(b, parameters["values"], b.mul(key_index, i64(width))), width)
        for query, line in zip(queries, lines, strict=True):
            total = b.fmul(query[0], keys[0])
            for query_part, key_part in zip(query[1:], keys[1:], strict=True):
                total = intrinsic(b, "llvm.fma.v16f32", FLOATS, query_part, key_part, total)
            b.store(_sum(b, total), at(b, line, key_index))


def _prefetch(b: ir.IRBuilder, pointer: Any, width: int) -> None:
    """Prefetch ``width`` floats that will be read soon."""
    for offset in range(0, width, LANES):
        prefetch(b, at(b, pointer, i64(offset)))


def _sum(b: ir.IRBuilder, vector: Any) -> Any:
    """Return the sum of the lanes."""
    name, flags = "llvm.vector.reduce.fadd.v16f32", ("reassoc",)
    return intrinsic(b, name, F32, ir.Constant(F32, -0.0), vector, flags=flags)


def softmax(b: ir.IRBuilder, line: Any, mask: Any, n_keys: Any) -> Any:
    """Turn products into unnormalized weights exp(product + mask - max), in place; returns their sum."""
    with b.goto_entry_block():  # where LLVM turns them into registers
        largest, total = b.alloca(FLOATS), b.alloca(FLOATS)
    b.store(floats(float("-inf")), largest)
    b.store(floats(0.0), total)
    with loop(b, i64(0), n_keys, LANES) as position:
        in_range = lanes_below(b, b.sub(n_keys, position))
        address = at(b, line, position)
        value = b.fadd(load(b, address, FLOATS), load_masked(b, at(b, mask, position), in_range))
        value = b.select(in_range, value, floats(float("-inf")))
        store_masked(b, value, address, None)
        b.store(intrinsic(b, "llvm.maxnum.v16f32", FLOATS, value, b.load(largest)), largest)
    top = broadcast(b, intrinsic(b, "llvm.vector.reduce.fmax.v16f32", F32, b.load(largest)))
    with loop(b, i64(0), n_keys, LANES) as position:
        address = at(b, line, position)
        weight = exp(b, b.fsub(load(b, address, FLOATS), top))
        store_masked(b, weight, address, None)
        b.store(b.fadd(weight, b.load(total)), total)
    return _sum(b, b.load(total))


def _store_weighted_values(
    b: ir.IRBuilder, parameters: Parameters, lines: list[Any], sums: list[Any], width: int
) -> None:
    """Store the weighted average of the values in every query's output."""
    vectors, rows = range(width // LANES), range(len(lines))
    before, body, after = b.block, *(b.function.append_basic_block(name) for name in ("values", "averaged"))
    b.branch(body)
    b.position_at_end(body)
    position = b.phi(I64)
    running = [[b.phi(FLOATS) for _ in vectors] for _ in rows]
    value = at(b, parameters["values"], b.mul(position, i64(width)))
    values = [load(b, at(b, value, i64(j * LANES)), FLOATS) for j in vectors]
    _prefetch(b, at(b, parameters["next_keys"], b.mul(position, i64(width))), width)
    updated = []
    for line, totals in zip(lines, running, strict=True):
        weight = broadcast(b, b.load(at(b, line, position)))
        pairs = zip(values, totals, strict=True)
        updated.append([intrinsic(b, "llvm.fma.v16f32", FLOATS, weight, *pair) for pair in pairs])
    following = b.add(position, i64(1))
    position.add_incoming(i64(0), before)
    position.add_incoming(following, body)
    for r in rows:
        for j in vectors:
            running[r][j].add_incoming(floats(0.0), before)
            running[r][j].add_incoming(updated[r][j], body)
    b.cbranch(b.icmp_signed("<", following, parameters["n_keys"]), body, after)
    b.position_at_end(after)
    for r in rows:
        share = broadcast(b, b.fdiv(ir.Constant(F32, 1.0), sums[r]))
        out = at(b, parameters["out"], b.mul(parameters["out_row"], i64(r)))
        for j in vectors:
            store_masked(b, b.fmul(updated[r][j], share), at(b, out, i64(j * LANES)), None)
