"""Means that look at norms and angles: Multi-SLERP, the Karcher mean, Model Stock.

Each is a weighted sum of the models whose weights follow from their inner products, so one pass over the
tensors measures these (in float64) and a second one adds up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_task import CachedPieces, TensorInput, TensorTask
from components.merging.methods.averaging import arithmetic_dtype, read_wide
from components.merging.methods.task_vectors.task_arithmetic import delta_pieces


def multislerp(task: TensorTask) -> Iterator[Tensor]:
    """Yield the weighted mean of directions, with the weighted mean of the norms (Goddard 2025).

    Raises:
        MergeError: Three or more directions cancel.
    """
    weights = torch.tensor([s.float_parameter("weight") for s in task.inputs], dtype=torch.float64)
    if task.parameters["normalize_weights"]:
        weights /= weights.sum()
    eps = float(task.parameters["eps"] or 0.0)
    if len(task.inputs) == 1:
        weights = torch.ones_like(weights)
    pieces = _wide_pieces(task, task.inputs)
    gram = gram_matrix(pieces)
    norms = gram.diagonal().sqrt()
    directions = weights / (norms + eps)
    length = float((directions @ gram @ directions).clamp(min=0).sqrt())
    if length >= eps and len(weights) > 1:
        weights = directions * (weights @ norms) / length
    elif len(weights) > 2 and bool(norms.any()):
        raise MergeError(
            f"{task.name}: expected directions with a mean, found that they cancel; change weights"
        )
    yield from _add_up(task, pieces, weights)


def karcher(task: TensorTask) -> Iterator[Tensor]:
    """Yield the mean on the sphere of all models' directions, with the mean of their norms."""
    pieces = CachedPieces(
        lambda: ([read_wide(task, s, span) for s in task.all_inputs] for span in task.spans()), _size(task)
    )
    steps, tolerance = (float(task.parameters[name] or 0.0) for name in ("max_iter", "tol"))
    weights = karcher_weights(gram_matrix(pieces), int(steps), tolerance)
    for piece in pieces:
        yield _weighted_sum(piece, weights)


def karcher_weights(gram: Tensor, steps: int, tolerance: float) -> Tensor:
    """Return weights of vectors in their Karcher mean, from their inner products (n, n).

    Each step follows the mean of the geodesics to all directions, as mergekit's ``karcher`` does.
    """
    norms = gram.diagonal().sqrt()
    used = norms > tolerance
    weights = torch.zeros_like(norms)
    if not bool(used.any()):
        return weights
    cosines = gram[used][:, used] / torch.outer(norms[used], norms[used])
    share = 1 / len(cosines)
    point = torch.full((len(cosines),), share, dtype=gram.dtype)
    length = _length(point, cosines)
    point = point / length if length >= tolerance else torch.eye(len(cosines), dtype=gram.dtype)[0]
    for _ in range(steps):
        cosine = (cosines @ point).clamp(-1, 1)
        angle = torch.acos(cosine)
        pull = torch.where(angle < tolerance, 0, share * angle / torch.sin(angle))
        tangent = pull - (pull @ cosine) * point
        step = _length(tangent, cosines)
        if step < tolerance:
            break
        point = torch.cos(step) * point + torch.sin(step) * (tangent / step)
        point = point / _length(point, cosines)
    weights[used] = norms.mean() * point / norms[used]
    return weights


def model_stock(task: TensorTask) -> Iterator[Tensor]:
    """The point between the base and the mean that is nearest the center of fine-tuning (Jang et al. 2024).

    Of more than two models the angle is the mean of all pairs', as in mergekit.
    """
    assert task.base is not None
    share = None if task.parameters["filter_wise"] else _stock_share(task)
    for span in task.spans(whole_rows=True):
        base = task.read(task.base, span)
        models = [task.read(source, span) for source in task.inputs]
        mean = models[0].clone()
        for model in models[1:]:
            mean.add_(model)
        mean.div_(len(models))
        t = _row_shares(task, base, models) if share is None else share.to(task.dtype)
        rows = (-1, task.shape[-1]) if share is None and task.shape else (-1,)
        yield (t * mean.view(rows) + (1 - t) * base.view(rows)).view(-1)


def _stock_share(task: TensorTask) -> Tensor:
    gram = gram_matrix([d.to(arithmetic_dtype(task)) for d in deltas] for _, deltas in delta_pieces(task))
    norms = gram.diagonal().sqrt()
    cosine = (gram / torch.outer(norms, norms).clamp(min=1e-6)).clamp(-1, 1)
    n = len(gram)
    first, second = torch.triu_indices(n, n, 1)
    return _stock_ratio(cosine[first, second].mean(), n)


def _row_shares(task: TensorTask, base: Tensor, models: list[Tensor]) -> Tensor:
    """Return the model Stock's t for every vector along the last axis: (rows, 1)."""
    shape = (-1, task.shape[-1]) if task.shape else (1, 1)
    deltas = [(model - base).view(shape) for model in models]
    norms = [torch.linalg.vector_norm(delta, dim=-1) for delta in deltas]
    cosines = [
        ((deltas[i] * deltas[j]).sum(-1) / (norms[i] * norms[j]).clamp(min=1e-6)).clamp(-1, 1)
        for i in range(len(models))
        for j in range(i + 1, len(models))
    ]
    return _stock_ratio(torch.stack(cosines).mean(0).unsqueeze(-1), len(models))


def _stock_ratio(cosine: Tensor, count: int) -> Tensor:
    """Return the model Stock's t; 0 where the deltas cancel, so that the mean is the base whatever t is."""
    divisor = 1 + (count - 1) * cosine
    cancels = divisor.abs() <= max(1e-6, count * torch.finfo(cosine.dtype).eps)
    return torch.where(cancels, 0, count * cosine / divisor.where(~cancels, 1))


def gram_matrix(pieces: Iterable[list[Tensor]]) -> Tensor:
    """Return the inner products (n, n) in float64 of n flat vectors that come in pieces."""
    total: Tensor | None = None
    for piece in pieces:
        stacked = torch.stack([part.double() for part in piece])
        product = stacked @ stacked.T
        total = product if total is None else total + product
    if total is None:
        raise MergeError("expected vectors, found none")
    return total


def _wide_pieces(task: TensorTask, inputs: tuple[TensorInput, ...]) -> CachedPieces[list[Tensor]]:
    """Return pieces of the models, or of their deltas where there is a base."""

    def read() -> Iterator[list[Tensor]]:
        for span in task.spans():
            pieces = [task.read(source, span) for source in inputs]
            if task.base is not None:
                base = task.read(task.base, span)
                pieces = [piece.sub_(base) for piece in pieces]
            yield [piece.to(arithmetic_dtype(task)) for piece in pieces]

    return CachedPieces(read, _size(task))


def _add_up(task: TensorTask, pieces: Iterable[list[Tensor]], weights: Tensor) -> Iterator[Tensor]:
    """Yield the weighted sums of pieces, added to the base where there is one."""
    for piece, span in zip(pieces, task.spans(), strict=True):
        total = _weighted_sum(piece, weights)
        yield total if task.base is None else total.add_(read_wide(task, task.base, span))


def _weighted_sum(piece: list[Tensor], weights: Tensor) -> Tensor:
    total = piece[0] * float(weights[0])
    for part, weight in zip(piece[1:], weights[1:].tolist(), strict=True):
        total.add_(part, alpha=weight)
    return total


def _length(coefficients: Tensor, gram: Tensor) -> Tensor:
    return (coefficients @ gram @ coefficients).clamp(min=0).sqrt()


def _size(task: TensorTask) -> int:
    return task.numel * arithmetic_dtype(task).itemsize * len(task.all_inputs)
