"""Methods that weigh whole models: linear, SLERP, NuSLERP, passthrough. Pieces of the result, in order.

Arithmetic is in float32 (float64 for float64 tensors) and rounded once, as mergekit's linear and SLERP.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_task import CachedPieces, Span, TensorInput, TensorTask

COLLINEAR_COSINE = 0.9995
_MIN_NORM = 1e-8


def linear(job: TensorTask) -> Iterator[Tensor]:
    """``sum(w_i x_i) / sum(w_i)`` (the division only where ``normalize``)."""
    weights = [operand.float_parameter("weight") for operand in job.all_inputs]
    total = math.fsum(weights)
    if job.parameters["normalize"] and total == 0:
        raise MergeError(f"{job.name}: expected weights with a sum, found {weights}; set normalize: false")
    for span in job.spans():
        result = _read_wide(job, job.all_inputs[0], span).mul_(weights[0])
        for operand, weight in zip(job.all_inputs[1:], weights[1:], strict=True):
            result.add_(_read_wide(job, operand, span), alpha=weight)
        yield result.div_(total) if job.parameters["normalize"] else result


def passthrough(job: TensorTask) -> Iterator[Tensor]:
    """The one model's tensor, times ``scale`` where it is given."""
    (operand,) = job.all_inputs
    scale = operand.parameters["scale"]
    for span in job.spans():
        piece = job.read(operand, span)
        yield piece if scale is None else piece.mul_(float(scale))


def slerp(job: TensorTask) -> Iterator[Tensor]:
    """Between the base (t = 0) and the other model (t = 1), along the great circle of the flat tensors.

    Shoemake 1985. Falls back to linear interpolation where |cos| > 0.9995, antipodal tensors included, and
    does not divide by norms of zero.
    """
    assert job.base is not None
    base, other = job.base, job.inputs[0]
    size = job.numel * _arithmetic_dtype(job).itemsize * 2
    pairs = CachedPieces(
        lambda: ((_read_wide(job, base, s), _read_wide(job, other, s)) for s in job.spans()), size
    )
    norms = [norm.where(norm > _MIN_NORM, 1) for norm in _norms(pairs)]
    cosine = _cosine(pairs, norms)
    t = torch.tensor(float(job.parameters["t"] or 0.0), dtype=_arithmetic_dtype(job))
    if abs(float(cosine)) > COLLINEAR_COSINE:
        first, second = 1 - t, t
    else:
        angle = torch.acos(cosine)
        first, second = (torch.sin(share * angle) / torch.sin(angle) for share in (1 - t, t))
    for a, b in pairs:
        yield a.mul_(first).add_(b.mul_(second))


def nuslerp(job: TensorTask) -> Iterator[Tensor]:
    """SLERP by weights, of the models or, with a base, of their deltas.

    Flat tensors (``nuslerp_flatten``, the default), else vectors along the last axis, or along the first
    with ``nuslerp_row_wise``. Linear only where the vectors are collinear to the last bit.
    """
    first, second = (operand.float_parameter("weight") for operand in job.inputs)
    t = 0.5 if abs(first + second) < 1e-6 else second / (first + second)
    shape: tuple[int, ...]
    axis: int | None
    if bool(job.parameters["nuslerp_flatten"]) or len(job.shape) < 2:
        shape, axis = (-1,), None
    elif job.parameters["nuslerp_row_wise"]:
        shape, axis = (-1, *job.shape[1:]), 0
    else:
        shape, axis = (-1, job.shape[-1]), -1
    triples = CachedPieces(lambda: _triples(job, shape), job.numel * _arithmetic_dtype(job).itemsize * 3)
    if axis is None:
        pairs = _Pairs(triples)
        norms = [norm.clamp(min=1e-7) for norm in _norms(pairs)]
        cosine = _cosine(pairs, norms)
    elif axis == 0:
        cosine = _column_cosine(triples)
    for a, b, base in triples:
        mixed = _interpolate(t, a, b, _row_cosine(a, b) if axis == -1 else cosine).view(-1)
        yield mixed if base is None else mixed.to(job.dtype).add_(base)


class _Pairs:
    """The first two of triples, as often as needed."""

    def __init__(self, triples: Iterable[tuple[Tensor, Tensor, Tensor | None]]) -> None:
        self._triples = triples

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((a, b) for a, b, _ in self._triples)


def _interpolate(t: float, a: Tensor, b: Tensor, cosine: Tensor) -> Tensor:
    """SLERP of a and b, whose angle has this cosine."""
    cosine = cosine.clamp(-1, 1)
    collinear = (1 - cosine.square()) <= _MIN_NORM**2
    angle = torch.acos(torch.where(collinear, 0, cosine))
    mixed = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return torch.where(collinear, (1 - t) * a + t * b, mixed) if bool(collinear.any()) else mixed


def _norms(pairs: Iterable[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Norms of two flat tensors: of the norms of their pieces."""
    parts = [[torch.linalg.vector_norm(x) for x in pair] for pair in pairs]
    return [torch.linalg.vector_norm(torch.stack(list(column))) for column in zip(*parts, strict=True)]


def _cosine(pairs: Iterable[tuple[Tensor, Tensor]], norms: Sequence[Tensor]) -> Tensor:
    """Cosine of two flat tensors; each is divided by its norm before, so that nothing overflows."""
    parts = [torch.sum((a / norms[0]).mul_(b / norms[1])) for a, b in pairs]
    return torch.stack(parts).sum().clamp(-1, 1)


def _row_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the vectors along the last axis."""
    units = [x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-7) for x in (a, b)]
    return torch.sum(units[0] * units[1], dim=-1, keepdim=True)


def _column_cosine(triples: Iterable[tuple[Tensor, Tensor, Tensor | None]]) -> Tensor:
    """Cosine of the vectors along the first axis, which the pieces cut."""
    sums = [torch.zeros(()).double() for _ in range(3)]
    for a, b, _ in triples:
        for which, (x, y) in enumerate(((a, a), (b, b), (a, b))):
            sums[which] = sums[which] + torch.sum(x * y, 0, dtype=torch.float64)
    aa, bb, ab = sums
    return (ab / aa.sqrt().clamp(min=1e-7) / bb.sqrt().clamp(min=1e-7)).float()


def _triples(job: TensorTask, shape: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """NuSLERP's two vectors, shaped: the models, or their deltas to the base; and the base, flat."""
    first, second = job.inputs
    for span in job.spans(whole_rows=len(shape) > 1):
        base = None if job.base is None else job.read(job.base, span)
        pair = [job.read(operand, span) for operand in (first, second)]
        if base is not None:
            pair = [x.sub_(base) for x in pair]
        a, b = (x.to(_arithmetic_dtype(job)).view(shape) for x in pair)
        yield a, b, base


def _read_wide(job: TensorTask, operand: TensorInput, span: Span) -> Tensor:
    """A piece in the arithmetic's type, as memory that may be overwritten."""
    return job.read(operand, span).to(_arithmetic_dtype(job))


def _arithmetic_dtype(job: TensorTask) -> torch.dtype:
    return torch.float64 if job.dtype == torch.float64 else torch.float32
