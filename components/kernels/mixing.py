"""The weighted mean of members' distributions in one operator: on CUDA two kernels.

They are written in Triton (:mod:`.triton_mixing`): the scores of all members are read twice and nothing but
the mixture is written. Letters in shapes: M members, R rows, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.kernels.operators import define_operator


def mix_linearly(scores: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mix linearly, log sum_m w_m softmax(scores_m), in the log domain. No gradients.

    Args:
        scores: of each member (R, V), float32: log-probabilities up to a constant per row.
        weights: (M, R), at least 0.

    Returns:
        Log-probabilities (R, V), and the members' log-normalizers (M, R). A row that holds NaN becomes NaN.
    """
    log_probs, log_normalizers = torch.ops.antiphon.mix_linearly(list(scores), weights)
    return log_probs, log_normalizers


def _mix_on_cpu(scores: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    stacked = torch.stack(list(scores))
    log_normalizers = stacked.logsumexp(-1)
    shifts = weights.log() - log_normalizers
    return (stacked + shifts[..., None]).logsumexp(0), log_normalizers


def _mix_on_cuda(scores: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    from components.kernels.triton_mixing import mix  # noqa: PLC0415 - imports Triton

    return mix(scores, weights)


define_operator(
    "mix_linearly(Tensor[] scores, Tensor weights) -> (Tensor, Tensor)", _mix_on_cpu, _mix_on_cuda
)
