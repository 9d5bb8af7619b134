"""Rows of the methods on singular vectors, and of those that read data."""

from __future__ import annotations

from functools import partial

from components.merging.methods import averaging, data_driven, subspaces
from components.merging.methods.method import EQUAL_WEIGHT, LAMBDA, Method, StatisticsKind
from components.merging.recipe.parameters import Parameter

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
        partial(subspaces.merge_in_subspace, subspaces.task_singular_vectors),
        _SUBSPACE,
        base="required",
        on_card=True,
    ),
    "iso_c": Method(
        *_ISOTROPIC,
        "base + lambda mean(s) U V^T, U s V^T = sum(w_i d_i); lambda mean(w_i d_i) where it is no matrix",
        partial(subspaces.merge_in_subspace, subspaces.isotropic),
        _SUBSPACE,
        base="required",
        on_card=True,
    ),
    "iso_cts": Method(
        *_ISOTROPIC,
        "iso_c whose smallest directions are replaced by each task's largest outside of the common ones",
        partial(subspaces.merge_in_subspace, subspaces.isotropic_with_tasks),
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
