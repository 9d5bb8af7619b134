"""Merging in the bases of task vectors' singular vectors: TSV-M, Iso-C, Iso-CTS; rows of these and others.

A matrix is merged as a whole, in float32; everything else, and matrices for which ``subspace`` is false, by
the weighted mean of the deltas. Directions whose singular value is 0 to rounding take no part: they are
arbitrary, and would push real ones aside where deltas have a low rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from components.merging.io.tensor_task import TensorTask
from components.merging.methods import averaging, data_driven
from components.merging.methods.averaging import arithmetic_dtype
from components.merging.methods.method import EQUAL_WEIGHT, LAMBDA, Method, StatisticsKind
from components.merging.methods.task_vectors.task_arithmetic import delta_pieces
from components.merging.recipe.parameters import Parameter

MergeMatrices = Callable[[TensorTask, list[Tensor]], Tensor]
"""(task, weighted deltas (rows, columns)) -> the merged delta."""


def merge_in_subspace(merge_matrices: MergeMatrices, task: TensorTask) -> Iterator[Tensor]:
    """Merge the deltas of one tensor and add them to the base."""
    scale = float(task.parameters["lambda"] or 0.0)
    weights = [source.float_parameter("weight") for source in task.inputs]
    is_matrix = len(task.shape) == 2 and min(task.shape) >= len(task.inputs)
    if not (is_matrix and task.parameters["subspace"]):
        for base, deltas in delta_pieces(task):
            total = sum(
                (d.to(arithmetic_dtype(task)) * w for d, w in zip(deltas, weights, strict=True)),
                torch.zeros(base.numel(), dtype=arithmetic_dtype(task), device=task.device),
            )
            yield total.mul_(scale / len(deltas)).add_(base)
        return
    parts = [list(piece) for piece in zip(*(d for _, d in delta_pieces(task)), strict=True)]
    matrices = [
        torch.cat(part).to(arithmetic_dtype(task)).view(task.shape).mul_(weight)
        for part, weight in zip(parts, weights, strict=True)
    ]
    merged = merge_matrices(task, matrices).mul_(scale).view(-1)
    for base, _ in delta_pieces(task):
        piece, merged = merged[: base.numel()], merged[base.numel() :]
        yield piece.add_(base)


def task_singular_vectors(task: TensorTask, deltas: list[Tensor]) -> Tensor:
    """Keep each task's largest singular directions, 1/n of them, and make them orthogonal to the others'.

    Gargiulo et al. 2025 (TSV-M): U and V of all tasks side by side are replaced by the nearest matrices with
    orthonormal columns.
    """
    share = min(task.shape) // len(deltas)
    parts = [_decompose(delta, share) for delta in deltas]
    u, s, v = (torch.cat([part[which] for part in parts], -1) for which in range(3))
    return _orthonormal(u) * s @ _orthonormal(v).T


def isotropic(task: TensorTask, deltas: list[Tensor]) -> Tensor:
    """Return the sum of the deltas with all singular values at their mean (Marczak et al. 2025, Iso-C)."""
    return _flatten_spectrum(sum(deltas[1:], deltas[0]))


def isotropic_with_tasks(task: TensorTask, deltas: list[Tensor]) -> Tensor:
    """Iso-C whose smallest directions make room for each task's own (Marczak et al. 2025, Iso-CTS).

    Of the rank r, ``common_space_fraction`` are the sum's largest directions; the rest are divided among what
    the tasks have outside of them.
    """
    fraction = float(task.parameters["common_space_fraction"] or 0.0)
    rank, count = min(task.shape), len(deltas)
    own = round((rank - int(rank * fraction)) / count)
    common = rank - own * count
    if common < 0:
        own, common = rank // count, rank - rank // count * count
    u, s, v = _decompose(sum(deltas[1:], deltas[0]), common)
    parts = [_decompose(delta - u @ (u.T @ delta), own) for delta in deltas]
    u, s, v = (torch.cat([*(part[i] for part in parts), shared], -1) for i, shared in enumerate((u, s, v)))
    return _orthonormal(u) @ _orthonormal(v).T * (s.sum() / rank)


def _decompose(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """The largest ``rank`` singular values s with U (rows, rank), V (columns, rank), without those of 0."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    floor = s[:1] * max(matrix.shape) * torch.finfo(s.dtype).eps
    rank = min(rank, int((s > floor).sum()))
    return u[:, :rank], s[:rank], vh[:rank].T


def _orthonormal(columns: Tensor) -> Tensor:
    """Return the nearest matrix with orthonormal columns."""
    u, _, vh = torch.linalg.svd(columns, full_matrices=False)
    nearest: Tensor = u @ vh
    return nearest


def _flatten_spectrum(matrix: Tensor) -> Tensor:
    u, s, v = _decompose(matrix, min(matrix.shape))
    return u @ v.T * (s.sum() / min(matrix.shape))


_SUBSPACE = {
    "weight": EQUAL_WEIGHT,
    "lambda": LAMBDA,
    "subspace": Parameter(bool, True, "false for matrices that are averaged, as embeddings by a filter"),
}
_ISOTROPIC = ("Marczak et al. 2025", "https://arxiv.org/abs/2502.04959")
SUBSPACE_ROWS: dict[str, Method] = {
    "tsv_m": Method(
        "Gargiulo et al. 2025 (Task Singular Vectors)",
        "https://arxiv.org/abs/2412.00081",
        "base + lambda U' S V'^T; U, S, V: the largest r/n singular vectors of each w_i d_i side by side, U' "
        "and V' the nearest orthonormal matrices; lambda mean(w_i d_i) where a tensor is no matrix",
        partial(merge_in_subspace, task_singular_vectors),
        _SUBSPACE,
        base="required",
        on_card=True,
    ),
    "iso_c": Method(
        *_ISOTROPIC,
        "base + lambda mean(s) U V^T, U s V^T = sum(w_i d_i); lambda mean(w_i d_i) where it is no matrix",
        partial(merge_in_subspace, isotropic),
        _SUBSPACE,
        base="required",
        on_card=True,
    ),
    "iso_cts": Method(
        *_ISOTROPIC,
        "iso_c whose smallest directions are replaced by each task's largest outside of the common ones",
        partial(merge_in_subspace, isotropic_with_tasks),
        {
            **_SUBSPACE,
            "common_space_fraction": Parameter(
                float, 0.8, "share of the rank that all tasks have in common", minimum=0, maximum=1
            ),
        },
        base="required",
        on_card=True,
    ),
}


def _regression(paper: str, url: str, formula: str, statistics: StatisticsKind) -> Method:
    ratio = Parameter(
        float, 0.9, "factor of the Gram matrices' elements off the diagonal", minimum=0, maximum=1
    )
    return Method(
        paper,
        url,
        formula,
        data_driven.regmean,
        {"weight": EQUAL_WEIGHT, "reduce_non_diagonal_ratio": ratio},
        base="counted",
        statistics=statistics,
        check=averaging.check_weights,
    )


DATA_DRIVEN_ROWS: dict[str, Method] = {
    "fisher": Method(
        "Matena & Raffel 2022",
        "https://arxiv.org/abs/2111.09832",
        "sum(w_i F_i x_i) / sum(w_i F_i), F_i = mean over the data of the squared gradient of log p(y|x)",
        data_driven.fisher,
        {"weight": EQUAL_WEIGHT},
        base="counted",
        statistics="fisher",
        check=averaging.check_weights,
    ),
    "regmean": _regression(
        "Jin et al. 2023",
        "https://arxiv.org/abs/2212.09849",
        "linear layers: sum(W_i G_i) inverse(sum(G_i)), G_i the mean outer product of the layer's inputs on "
        "the model's data; all else: the mean",
        "layer_inputs",
    ),
    "regmean_plus_plus": _regression(
        "Nguyen et al. 2025 (RegMean++)",
        "https://arxiv.org/abs/2508.03121",
        "regmean whose G_i are of the inputs that the merged model's earlier layers give to the layer",
        "merged_layer_inputs",
    ),
}
