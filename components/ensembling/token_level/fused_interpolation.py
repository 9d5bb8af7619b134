"""Fast interpolation for the search: one pass over memory in blocks that stay in the processor's cache.

The formulas are those of :mod:`components.ensembling.token_level.interpolation`. These functions take scores
(log-probabilities up to a constant per row), so that each member is normalized once, here, and work on a few
rows at a time in one reused buffer. exp is a kernel of our own, or exp2, because torch's exp goes through a
library that is slow on some processors. Where float32's range does not suffice, or forbidden tokens meet zero
or negative coefficients, they return None and the caller takes the log-domain path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from components.compute.layers.kernels import kernels

_LOG2E = math.log2(math.e)
_BLOCK_SIZE = 1 << 18
"""Numbers per block: 1 MB in float32."""
_MIN_SUM, _MAX_SUM = 1e-20, 1e30
"""Outside of this range a sum of exponentials has lost its small terms."""


def _blocks(scores: Tensor) -> Iterator[slice]:
    rows, size = scores.shape
    step = max(1, _BLOCK_SIZE // size) if scores.device.type == "cpu" else rows
    return (slice(i, min(i + step, rows)) for i in range(0, rows, step))


def _exp_and_sums(scores: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """Return exp(scores) in ``buffer``, and its sums (rows, 1)."""
    values = buffer[: len(scores)]
    cpu_kernels = kernels()
    sums = None if cpu_kernels is None else cpu_kernels.exponentiate(scores, values)
    if sums is not None:
        return values, sums
    torch.mul(scores, _LOG2E, out=values).exp2_()
    return values, values.sum(dim=-1, keepdim=True)


def _log_(values: Tensor) -> None:
    """The logarithm in place: numpy's is vectorized everywhere, torch's goes through the slow library."""
    if values.device.type == "cpu" and values.dtype == torch.float32:
        array = values.numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            np.log(array, out=array)
    else:
        values.log_()


def _output_and_buffer(scores: Tensor) -> tuple[Tensor, Tensor]:
    block = next(iter(_blocks(scores)))
    return torch.empty_like(scores), scores.new_empty((block.stop, scores.shape[1]))


def _in_float32_range(totals: Tensor) -> bool:
    return bool(((totals > _MIN_SUM) & (totals < _MAX_SUM)).all())


def mix_linearly(scores: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, Tensor] | None:
    """Mix linearly: log sum_m w_m softmax(scores_m).

    Args:
        scores: (R, V) of each of M members.
        weights: (M, R).

    Returns:
        Log-probabilities (R, V) and the members' log-normalizers (M, R); None where float32 does not suffice.
    """
    out, buffer = _output_and_buffer(scores[0])
    totals = scores[0].new_empty((len(scores), len(scores[0])))
    for rows in _blocks(scores[0]):
        for m, member_scores in enumerate(scores):
            probabilities, total = _exp_and_sums(member_scores[rows], buffer)
            totals[m, rows] = total[:, 0]
            share = weights[m, rows, None] / total
            if m == 0:
                torch.mul(probabilities, share, out=out[rows])
            else:
                out[rows].addcmul_(probabilities, share)
        _log_(out[rows])
    return (out, totals.log()) if _in_float32_range(totals) else None


def mix_log_linearly(
    scores: Sequence[Tensor], coefficients: Tensor, forbid: Callable[[Tensor, slice], Tensor] | None = None
) -> tuple[Tensor, Tensor] | None:
    """Mix log-linearly: log softmax of sum_m c_m scores_m.

    Args:
        scores: (R, V) of each of M members.
        coefficients: (M, R).
        forbid: may set entries of a block of rows to -inf, in place, before it is normalized.

    Returns:
        Log-probabilities (R, V) and the members' log-normalizers (M, R); None where float32 does not suffice.
    """
    out, buffer = _output_and_buffer(scores[0])
    totals = scores[0].new_empty((len(scores), len(scores[0])))
    for rows in _blocks(scores[0]):
        mixture = out[rows]
        for m, member_scores in enumerate(scores):
            totals[m, rows] = _exp_and_sums(member_scores[rows], buffer)[1][:, 0]
            if m == 0:
                torch.mul(member_scores[rows], coefficients[m, rows, None], out=mixture)
            else:
                mixture.addcmul_(member_scores[rows], coefficients[m, rows, None])
        if forbid is not None:
            mixture = forbid(mixture, rows)
        torch.log_softmax(mixture, dim=-1, out=out[rows])
    is_exact = _in_float32_range(totals) and not bool(out[:, 0].isnan().any())
    return (out, totals.log()) if is_exact else None
