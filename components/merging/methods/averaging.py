"""Averages of models: linear, SLERP, NuSLERP, and passthrough, which takes a single one as it is.

Each function yields a merged tensor in flat pieces. Arithmetic is in float32 (float64 for float64 tensors)
and rounded once, as mergekit's linear and SLERP.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from components.errors import MergeError
from components.kernels.task_vectors import fuses, weighted_sum
from components.merging.io.tensor_task import CachedPieces, Span, TensorInput, TensorTask

COLLINEAR_COSINE = 0.9995
_MIN_NORM = 1e-8


def linear(task: TensorTask) -> Iterator[Tensor]:
    """Yield the weighted mean, ``sum(w_i x_i) / sum(w_i)``; without ``normalize`` the weighted sum."""
    return weighted_mean(task, task.all_inputs, normalize=bool(task.parameters["normalize"]))


def check_weights(task: TensorTask, switch: str = "normalize") -> None:
    """Raise :class:`MergeError` where the weights add up to zero and shall be normalized, by ``switch``."""
    weights = [s.float_parameter("weight") for s in task.all_inputs if "weight" in s.parameters]
    if task.parameters.get(switch, True) and math.fsum(weights) == 0:
        raise MergeError(f"expected weights with a sum, found {weights}; set {switch}: false")


def weighted_mean(task: TensorTask, inputs: Sequence[TensorInput], *, normalize: bool) -> Iterator[Tensor]:
    """Yield the mean, or else the sum, of inputs by their parameter ``weight``."""
    weights = [source.float_parameter("weight") for source in inputs]
    total = math.fsum(weights)
    in_one_pass = task.out_dtype == task.dtype and fuses(task.dtype, len(inputs))
    for span in task.spans():
        if in_one_pass:
            pieces = [task.read(source, span) for source in inputs]
            yield weighted_sum(pieces, weights, total if normalize else None)
            continue
        result = read_wide(task, inputs[0], span).mul_(weights[0])
        for source, weight in zip(inputs[1:], weights[1:], strict=True):
            result.add_(read_wide(task, source, span), alpha=weight)
        yield result.div_(total) if normalize else result


def passthrough(task: TensorTask) -> Iterator[Tensor]:
    """Yield the tensor of the only model, times ``scale`` where it is set."""
    (source,) = task.all_inputs
    scale = source.parameters["scale"]
    for span in task.spans():
        piece = task.read(source, span)
        yield piece if scale is None else piece.mul_(float(scale))


def slerp(task: TensorTask) -> Iterator[Tensor]:
    """Interpolate spherically the flat tensors of the base (t = 0) and the other model (t = 1).

    Shoemake 1985. Falls back to linear interpolation where |cos| > 0.9995, antipodal tensors included, and
    does not divide by norms of zero.
    """
    assert task.base is not None
    base, other = task.base, task.inputs[0]
    size = task.numel * arithmetic_dtype(task).itemsize * 2
    pairs = CachedPieces(
        lambda: ((read_wide(task, base, s), read_wide(task, other, s)) for s in task.spans()), size
    )
    norms = [norm.where(norm > _MIN_NORM, 1) for norm in _norms(pairs)]
    cosine = _cosine(pairs, norms)
    t = torch.tensor(float(task.parameters["t"] or 0.0), dtype=arithmetic_dtype(task))
    if abs(float(cosine)) > COLLINEAR_COSINE:
        first, second = 1 - t, t
    else:
        angle = torch.acos(cosine)
        first, second = (torch.sin(share * angle) / torch.sin(angle) for share in (1 - t, t))
    for a, b in pairs:
        yield a.mul_(first).add_(b.mul_(second))


def nuslerp(task: TensorTask) -> Iterator[Tensor]:
    """Interpolate spherically by weights two models or, with a base, their deltas to it.

    The vectors are the flat tensors (``nuslerp_flatten``, the default), else those along the last axis, or
    along the first with ``nuslerp_row_wise``. Linear only where they are collinear to the last bit.
    """
    first, second = (source.float_parameter("weight") for source in task.inputs)
    t = 0.5 if abs(first + second) < 1e-6 else second / (first + second)
    shape: tuple[int, ...]
    axis: int | None
    if bool(task.parameters["nuslerp_flatten"]) or len(task.shape) < 2:
        shape, axis = (-1,), None
    elif task.parameters["nuslerp_row_wise"]:
        shape, axis = (-1, *task.shape[1:]), 0
    else:
        shape, axis = (-1, task.shape[-1]), -1
    triples = CachedPieces(lambda: _triples(task, shape), task.numel * arithmetic_dtype(task).itemsize * 3)
    if axis is None:
        norms = [norm.clamp(min=1e-7) for norm in _norms((a, b) for a, b, _ in triples)]
        cosine = _cosine(((a, b) for a, b, _ in triples), norms)
    elif axis == 0:
        cosine = _column_cosine(triples)
    for a, b, base in triples:
        mixed = _interpolate(t, a, b, _row_cosine(a, b) if axis == -1 else cosine).view(-1)
        yield mixed if base is None else mixed.to(task.dtype).add_(base)


def _interpolate(t: float, a: Tensor, b: Tensor, cosine: Tensor) -> Tensor:
    """Return the spherical interpolation of ``a`` and ``b``, the cosine of whose angle is given."""
    cosine = cosine.clamp(-1, 1)
    collinear = (1 - cosine.square()) <= _MIN_NORM**2
    angle = torch.acos(torch.where(collinear, 0, cosine))
    mixed = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return torch.where(collinear, (1 - t) * a + t * b, mixed) if bool(collinear.any()) else mixed


def _norms(pairs: Iterable[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Return norms of two flat tensors, from the norms of their pieces."""
    parts = [[torch.linalg.vector_norm(x) for x in pair] for pair in pairs]
    return [torch.linalg.vector_norm(torch.stack(list(column))) for column in zip(*parts, strict=True)]


def _cosine(pairs: Iterable[tuple[Tensor, Tensor]], norms: Sequence[Tensor]) -> Tensor:
    """Cosine of two flat tensors; each is divided by its norm before, so that nothing overflows."""
    parts = [torch.sum((a / norms[0]).mul_(b / norms[1])) for a, b in pairs]
    return torch.stack(parts).sum().clamp(-1, 1)


def _row_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of the vectors along the last axis."""
    units = [x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-7) for x in (a, b)]
    return torch.sum(units[0] * units[1], dim=-1, keepdim=True)


def _column_cosine(triples: Iterable[tuple[Tensor, Tensor, Tensor | None]]) -> Tensor:
    """Return the cosine of the vectors along the first axis, which the pieces cut."""
    sums = [torch.zeros(()).double() for _ in range(3)]
    for a, b, _ in triples:
        for which, (x, y) in enumerate(((a, a), (b, b), (a, b))):
            sums[which] = sums[which] + torch.sum(x * y, 0, dtype=torch.float64)
    aa, bb, ab = sums
    return (ab / aa.sqrt().clamp(min=1e-7) / bb.sqrt().clamp(min=1e-7)).float()


def _triples(task: TensorTask, shape: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """NuSLERP's two vectors, shaped: the models, or their deltas to the base; and the base, flat."""
    first, second = task.inputs
    for span in task.spans(whole_rows=len(shape) > 1):
        base = None if task.base is None else task.read(task.base, span)
        pair = [task.read(source, span) for source in (first, second)]
        if base is not None:
            pair = [x.sub_(base) for x in pair]
        a, b = (x.to(arithmetic_dtype(task)).view(shape) for x in pair)
        yield a, b, base


def read_wide(task: TensorTask, source: TensorInput, span: Span) -> Tensor:
    """Read a piece in the arithmetic's type, as memory that may be overwritten."""
    return task.read(source, span).to(arithmetic_dtype(task))


def arithmetic_dtype(task: TensorTask) -> torch.dtype:
    """Return the type of sums: float32, or float64 for tensors of that type."""
    return torch.float64 if task.dtype == torch.float64 else torch.float32
