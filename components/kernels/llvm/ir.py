"""Helpers that emit LLVM's intermediate representation: vectors of 16 lanes of 32 bits, pointers, loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

LANES = 16
I1, I8, I32, I64, F32 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS, INTS = ir.VectorType(F32, LANES), ir.VectorType(I32, LANES)
VOID = ir.VoidType()


class _BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat, which llvmlite has no class for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


BFLOATS = ir.VectorType(_BFloat(), 2 * LANES)


def i64(value: int) -> Any:
    """Return a 64-bit constant."""
    return ir.Constant(I64, value)


def floats(value: float) -> Any:
    """Return a vector with the same constant in every lane."""
    return ir.Constant(FLOATS, [ir.Constant(F32, value)] * LANES)


def ints(values: Sequence[int] | int) -> Any:
    """Return a vector of constants: one per lane, or the same in all."""
    return ir.Constant(INTS, [values] * LANES if isinstance(values, int) else list(values))


def intrinsic(
    builder: ir.IRBuilder, name: str, result: Any, *arguments: Any, flags: Sequence[str] = ()
) -> Any:
    """Call LLVM's intrinsic ``name``; ``flags`` are its fast-math flags."""
    module = builder.module
    function = module.globals.get(name)
    if function is None:
        function = ir.Function(module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return builder.call(function, arguments, fastmath=flags)


def at(builder: ir.IRBuilder, pointer: Any, index: Any) -> Any:
    """Return the address ``pointer + index``, counted in elements."""
    return builder.gep(pointer, [index])


def load(builder: ir.IRBuilder, pointer: Any, kind: Any, align: int = 4) -> Any:
    """Load a vector of type ``kind`` from ``pointer``."""
    vector = builder.load(builder.bitcast(pointer, kind.as_pointer()))
    vector.align = align
    return vector


def broadcast(builder: ir.IRBuilder, value: Any) -> Any:
    """Return a vector with the number ``value`` in all lanes."""
    kind = ir.VectorType(value.type, LANES)
    none = ir.Constant(kind, ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(none, value, ir.Constant(I32, 0)), none, ints(0))


def lanes_below(builder: ir.IRBuilder, count: Any) -> Any:
    """Return a mask of the lanes whose index is below ``count`` (I64, may be negative or large)."""
    return builder.icmp_signed("<", ints(range(LANES)), broadcast(builder, builder.trunc(count, I32)))


def store_masked(builder: ir.IRBuilder, value: Any, pointer: Any, mask: Any) -> None:
    """Store the lanes of the floats ``value`` that are in ``mask`` (None: all) at ``pointer``."""
    target = builder.bitcast(pointer, value.type.as_pointer())
    if mask is None:
        builder.store(value, target).align = 4
        return
    name = f"llvm.masked.store.v{LANES}f32.p0"
    intrinsic(builder, name, VOID, value, target, ir.Constant(I32, 4), mask)


def load_masked(builder: ir.IRBuilder, pointer: Any, mask: Any) -> Any:
    """Load the floats at ``pointer`` whose lanes are in ``mask``; the others are 0."""
    source = builder.bitcast(pointer, FLOATS.as_pointer())
    name = f"llvm.masked.load.v{LANES}f32.p0"
    return intrinsic(builder, name, FLOATS, source, ir.Constant(I32, 4), mask, floats(0.0))


def prefetch(builder: ir.IRBuilder, pointer: Any, cache: int = 2) -> None:
    """Prefetch 64 bytes into the first- or second-level ``cache``; invalid addresses are ignored."""
    address = builder.bitcast(pointer, I8.as_pointer())
    to_read, locality, data = (ir.Constant(I32, n) for n in (0, 4 - cache, 1))
    intrinsic(builder, "llvm.prefetch.p0", VOID, address, to_read, locality, data)


@contextmanager
def loop(builder: ir.IRBuilder, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
    """Emit a loop: the ``with`` block runs for every index (I64) from ``start`` to ``stop``."""
    function, before = builder.function, builder.block
    head, body, after = (function.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(I64)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), body, after)
    builder.position_at_end(body)
    yield index
    index.add_incoming(builder.add(index, i64(step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


def minimum(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """Return the smaller of two integers."""
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def call_nth(builder: ir.IRBuilder, functions: Sequence[Any], number: Any, values: Sequence[Any]) -> None:
    """Call the ``number``-th of the functions, counted from 1; the last where there are fewer."""
    after, last = (builder.function.append_basic_block(name) for name in ("chosen", "last"))
    switch = builder.switch(number, last)
    for index, function in enumerate(functions[:-1], 1):
        block = builder.function.append_basic_block(f"choice{index}")
        switch.add_case(i64(index), block)
        builder.position_at_end(block)
        builder.call(function, values)
        builder.branch(after)
    builder.position_at_end(last)
    builder.call(functions[-1], values)
    builder.branch(after)
    builder.position_at_end(after)
