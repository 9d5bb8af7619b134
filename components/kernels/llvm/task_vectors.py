"""Arithmetic on task vectors (model - base) of narrow or 32-bit floats, in LLVM's representation.

Torch makes some 25 passes over a piece of every model for it; here a piece is read once. Each step is rounded
to the type of the tensors where torch rounds it, so that the results are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir

from components.kernels.llvm.ir import (
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
    ints,
    lanes_below,
    loop,
    store_masked,
)
from components.kernels.llvm.narrow_floats import FORMATS, FloatFormat

BINS = 1 << 16
"""Bins of a histogram; a last one more takes what is not counted."""
COUNT_ARGUMENTS = ("base", "model", "counts", "numel", "shift", "prefix")
"""The 64-bit numbers that :func:`build_counter` takes; ``counts``: address of (parts, BINS + 1) of int64."""
MAGNITUDE_ARGUMENTS = ("base", "numel", "magnitudes", "kept")
"""What :func:`build_magnitudes` takes before the numbers of the one model."""
MERGE_ARGUMENTS = ("base", "numel", "out", "factor", "divisor")
"""What :func:`build_merge` takes before the numbers of each model; floats come as their bits."""
MEAN_ARGUMENTS = ("numel", "out", "divisor")
"""What :func:`build_mean` takes before each model's address and weight."""
MODEL_ARGUMENTS = ("model", "bits", "low", "low_stop", "high", "high_stop", "scale", "weight")
"""The numbers of each model; see :class:`~components.kernels.task_vectors.Selection`."""
Numbers = dict[str, Any]


class MergeShape(NamedTuple):
    """What is known of a merge when it is compiled.

    Attributes:
        dtype: a key of :data:`~components.kernels.llvm.narrow_floats.FORMATS`.
        models: their number.
        selection: what is kept of a delta: ``all``; ``largest``, from ``low`` on; ``band``, from ``low`` to
            below ``high``; ``bits``, what a bit is set for.
        scaled: whether each delta is multiplied by ``scale`` first.
        elects_sign: whether only those that agree with the sign of the weighted sum are added.
        normalized: whether the sum is divided by ``divisor`` or, where signs are elected, by the weights
            that agree.
        has_factor: whether the sum is multiplied by ``factor``.
    """

    dtype: str
    models: int
    selection: str
    scaled: bool
    elects_sign: bool
    normalized: bool
    has_factor: bool


def build_merge(shape: MergeShape) -> ir.Function:
    """Build ``merge(arguments, part, parts)``: base + factor * the sum of the selected deltas."""
    format_ = FORMATS[shape.dtype]
    names = [*MERGE_ARGUMENTS, *(f"{name}{m}" for m in range(shape.models) for name in MODEL_ARGUMENTS)]
    with _function("merge", names) as (b, numbers, every):

        def merge(position: Any, mask: Any) -> None:
            base = format_.load(b, numbers["base"], position, mask)
            weighted, weights = [], []
            for number in range(shape.models):
                own = {name: numbers[f"{name}{number}"] for name in MODEL_ARGUMENTS}
                delta = _delta(b, format_, base, own["model"], position, mask)
                delta = _select(b, format_, shape.selection, delta, own, position)
                if shape.scaled:
                    delta = format_.round(b, b.fmul(delta, _float(b, own["scale"])))
                weights.append(_float(b, own["weight"]))
                weighted.append(format_.round(b, b.fmul(delta, weights[-1])))
            if shape.elects_sign:
                merged = _sum_agreeing(b, format_, weighted, weights if shape.normalized else None)
            else:
                merged = format_.round(b, _sum(b, weighted))
                if shape.normalized:
                    merged = format_.round(b, b.fdiv(merged, _float(b, numbers["divisor"])))
            if shape.has_factor:
                merged = format_.round(b, b.fmul(merged, _float(b, numbers["factor"])))
            merged = format_.round(b, b.fadd(merged, base))
            format_.store(b, merged, numbers["out"], position, mask)

        every(merge)
    return b.function


def build_mean(dtype: str, models: int, normalized: bool) -> ir.Function:
    """Build ``mean(arguments, part, parts)``: the weighted sum of models, divided by ``divisor``.

    It is computed in float32 and rounded once.
    """
    format_ = FORMATS[dtype]
    names = [*MEAN_ARGUMENTS, *(f"{name}{m}" for m in range(models) for name in ("model", "weight"))]
    with _function("mean", names) as (b, numbers, every):

        def mean(position: Any, mask: Any) -> None:
            total = None
            for number in range(models):
                values = format_.load(b, numbers[f"model{number}"], position, mask)
                weight = _float(b, numbers[f"weight{number}"])
                if total is None:
                    total = b.fmul(values, weight)
                else:  # torch adds a multiple with one rounding
                    total = intrinsic(b, "llvm.fma.v16f32", FLOATS, values, weight, total)
            if normalized:
                total = b.fdiv(total, _float(b, numbers["divisor"]))
            format_.store(b, format_.round(b, total), numbers["out"], position, mask)

        every(mean)
    return b.function


def build_magnitudes(dtype: str, selection: str) -> ir.Function:
    """Build ``magnitudes(arguments, part, parts)``: a delta's, and those that are selected, else 0.

    Both are float32.
    """
    format_ = FORMATS[dtype]
    with _function("magnitudes", [*MAGNITUDE_ARGUMENTS, *MODEL_ARGUMENTS]) as (b, numbers, every):

        def measure(position: Any, mask: Any) -> None:
            base = format_.load(b, numbers["base"], position, mask)
            delta = _delta(b, format_, base, numbers["model"], position, mask)
            kept = _select(b, format_, selection, delta, numbers, position)
            for name, values in (("magnitudes", delta), ("kept", kept)):
                target = at(b, b.inttoptr(numbers[name], F32.as_pointer()), position)
                store_masked(b, intrinsic(b, "llvm.fabs.v16f32", FLOATS, values), target, mask)

        every(measure)
    return b.function


def build_counter(dtype: str) -> ir.Function:
    """Build ``count(arguments, part, parts)``: a histogram of 16 bits of the deltas' magnitudes.

    Of the patterns of bits without the sign, those are counted that are ``prefix`` 16 bits above ``shift``.
    """
    format_ = FORMATS[dtype]
    with _function("count", COUNT_ARGUMENTS) as (b, numbers, every):
        with b.goto_entry_block():
            digits = b.alloca(INTS)
        row = b.mul(b.function.args[1], i64(BINS + 1))
        counts = at(b, b.inttoptr(numbers["counts"], I64.as_pointer()), row)
        shift, prefix = (broadcast(b, b.trunc(numbers[name], I32)) for name in ("shift", "prefix"))

        def count(position: Any, mask: Any) -> None:
            base = format_.load(b, numbers["base"], position, mask)
            delta = _delta(b, format_, base, numbers["model"], position, mask)
            pattern = b.lshr(format_.pattern(b, delta), shift)
            counted = b.icmp_unsigned("==", b.lshr(pattern, ints(16)), prefix)
            if mask is not None:
                counted = b.and_(counted, mask)
            with b.if_then(b.icmp_unsigned("!=", b.bitcast(counted, ir.IntType(LANES)), _NO_LANES)):
                b.store(b.select(counted, b.and_(pattern, ints(BINS - 1)), ints(BINS)), digits)
                first = b.bitcast(digits, I32.as_pointer())
                for lane in range(LANES):
                    address = at(b, counts, b.zext(b.load(at(b, first, i64(lane))), I64))
                    b.store(b.add(b.load(address), i64(1)), address)

        every(count)
    return b.function


_NO_LANES = ir.Constant(ir.IntType(LANES), 0)
Body = Callable[[Any, Any], None]


@contextmanager
def _function(
    name: str, arguments: tuple[str, ...] | list[str]
) -> Iterator[tuple[ir.IRBuilder, Numbers, Callable[[Body], None]]]:
    """A function ``(arguments, part, parts)``; gives its builder, its numbers, and the loop over a part.

    The body of the loop gets the position of 16 elements and the mask of those that are there, None for all.
    """
    kind = ir.FunctionType(VOID, [I64.as_pointer(), I64, I64])
    function = ir.Function(ir.Module(name), kind, name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    pointer, part, parts = function.args
    numbers = {key: b.load(at(b, pointer, i64(n))) for n, key in enumerate(arguments)}

    def every(body: Body) -> None:
        vectors = b.sdiv(numbers["numel"], i64(LANES))
        bounds = [b.sdiv(b.mul(vectors, p), parts) for p in (part, b.add(part, i64(1)))]
        first, last = (b.mul(bound, i64(LANES)) for bound in bounds)
        with loop(b, first, last, LANES) as position:
            body(position, None)
        is_last = b.icmp_signed("==", part, b.sub(parts, i64(1)))
        left = b.sub(numbers["numel"], last)
        with b.if_then(b.and_(is_last, b.icmp_signed(">", left, i64(0)))):
            body(last, lanes_below(b, left))

    yield b, numbers, every
    b.ret_void()


def _delta(b: ir.IRBuilder, format_: FloatFormat, base: Any, model: Any, position: Any, mask: Any) -> Any:
    return format_.round(b, b.fsub(format_.load(b, model, position, mask), base))


def _select(
    b: ir.IRBuilder, format_: FloatFormat, selection: str, delta: Any, own: Numbers, position: Any
) -> Any:
    """Return the delta times 1 or 0: NaN stays, and 0 keeps the sign, as in torch."""
    if selection == "all":
        return delta
    if selection == "bits":
        bytes_ = b.inttoptr(own["bits"], ir.IntType(LANES).as_pointer())
        bits = b.load(at(b, bytes_, b.sdiv(position, i64(LANES))))
        bits.align = 1
        selected = b.bitcast(bits, ir.VectorType(I1, LANES))
    else:
        pattern = format_.pattern(b, delta)
        index = b.add(broadcast(b, b.trunc(position, I32)), ints(range(LANES)))
        selected = _from(b, pattern, index, own["low"], own["low_stop"])
        if selection == "band":
            outlier = _from(b, pattern, index, own["high"], own["high_stop"])
            selected = b.and_(selected, b.not_(outlier))
    return b.fmul(b.select(selected, floats(1.0), floats(0.0)), delta)


def _from(b: ir.IRBuilder, pattern: Any, index: Any, threshold: Any, stop: Any) -> Any:
    """Return where a pattern is above the threshold, or equal to it at an index before ``stop``."""
    threshold, stop = (broadcast(b, b.trunc(number, I32)) for number in (threshold, stop))
    beyond = b.zext(b.icmp_unsigned(">=", index, stop), INTS)
    return b.icmp_unsigned(">=", pattern, b.add(threshold, beyond))


def _sum(b: ir.IRBuilder, values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = b.fadd(total, value)
    return total


def _sum_agreeing(b: ir.IRBuilder, format_: FloatFormat, voters: list[Any], weights: list[Any] | None) -> Any:
    """Return the sum of those whose sign is that of the sum of all; with weights divided by theirs."""
    zero, one = floats(0.0), floats(1.0)
    sign = b.select(b.fcmp_ordered(">=", _sum(b, voters), zero), one, floats(-1.0))
    total, divisor = zero, zero
    for number, voter in enumerate(voters):
        agreeing = b.fmul(voter, sign)
        agreeing = b.select(b.fcmp_ordered("<", agreeing, zero), zero, agreeing)
        total = b.fadd(total, agreeing)
        if weights is not None:
            counted = b.select(b.fcmp_ordered(">", agreeing, zero), weights[number], zero)
            divisor = b.fadd(divisor, counted)
    result = format_.round(b, b.fmul(total, sign))
    if weights is None:
        return result
    divisor = format_.round(b, divisor)
    divisor = b.select(b.fcmp_ordered("==", divisor, zero), one, divisor)
    return format_.round(b, b.fdiv(result, divisor))


def _float(b: ir.IRBuilder, bits: Any) -> Any:
    """Return a vector of the float32 whose bits come in a 64-bit number."""
    return broadcast(b, b.bitcast(b.trunc(bits, I32), F32))
