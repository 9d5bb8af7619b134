"""Subspace methods against the papers' formulas, matrix by matrix and vector by vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.components.merging.model_folders import folder, merged, recipe

Matrix = NDArray[np.float64]
NAMES = ("a", "b", "c")


def tensors(seed: int, base: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    values = {"w": torch.randn(9, 7, generator=random), "v": torch.randn(5, generator=random)}
    return values if base is None else {k: base[k] + 0.1 * v for k, v in values.items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Tensor]]]:
    root = tmp_path_factory.mktemp("models")
    base = tensors(0)
    every = [base, *(tensors(seed, base) for seed in (1, 2, 3))]
    for name, model in zip(("base", *NAMES), every, strict=True):
        folder(root / name, model)
    return root, every


def polar(matrix: Matrix) -> Matrix:
    """The nearest orthonormal columns, by the inverse root of the Gram matrix."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    return matrix @ vectors @ np.diag(values**-0.5) @ vectors.T


def tsv_m(deltas: list[Matrix]) -> Matrix:
    kept = min(deltas[0].shape) // len(deltas)
    u, s, v = [], [], []
    for delta in deltas:
        left, values, right = np.linalg.svd(delta)
        for k in range(kept):
            u.append(left[:, k])
            s.append(values[k])
            v.append(right[k])
    left, right = polar(np.stack(u, 1)), polar(np.stack(v, 1))
    return sum((s[k] * np.outer(left[:, k], right[:, k]) for k in range(len(s))), np.zeros_like(deltas[0]))


def iso_c(deltas: list[Matrix]) -> Matrix:
    left, values, right = np.linalg.svd(sum(deltas, np.zeros_like(deltas[0])), full_matrices=False)
    return sum(
        (values.mean() * np.outer(left[:, k], right[k]) for k in range(len(values))), np.zeros_like(deltas[0])
    )


def iso_cts(deltas: list[Matrix], fraction: float) -> Matrix:
    rank = min(deltas[0].shape)
    own = round((rank - int(rank * fraction)) / len(deltas))
    common = rank - own * len(deltas)
    left, values, right = np.linalg.svd(sum(deltas, np.zeros_like(deltas[0])), full_matrices=False)
    u, s, v = [left[:, :common]], [values[:common]], [right[:common].T]
    for delta in deltas:
        outside = delta - u[0] @ u[0].T @ delta
        own_left, x, r = np.linalg.svd(outside, full_matrices=False)
        u.append(own_left[:, :own])
        s.append(x[:own])
        v.append(r[:own].T)
    merged_values = np.concatenate(s)
    assert len(merged_values) == rank
    return merged_values.mean() * polar(np.concatenate(u, 1)) @ polar(np.concatenate(v, 1)).T


@pytest.mark.parametrize("method", ["tsv_m", "iso_c", "iso_cts"])
def test_matrices_by_the_paper_and_vectors_by_the_mean(
    method: str, models: tuple[Path, list[dict[str, Tensor]]], tmp_path: Path
) -> None:
    root, (base, *others) = models
    weights = (1.0, 0.5, 2.0)
    parameters = "{lambda: 0.7, common_space_fraction: 0.6}" if method == "iso_cts" else "{lambda: 0.7}"
    inputs = [(root / name, f"{{weight: {w}}}") for name, w in zip(NAMES, weights, strict=True)]
    ours = merged(recipe(method, root / "base", *inputs, parameters=parameters), tmp_path / "out")
    deltas = {
        key: [(m[key] - base[key]).double().numpy() * w for m, w in zip(others, weights, strict=True)]
        for key in base
    }
    matrix = {"tsv_m": tsv_m, "iso_c": iso_c, "iso_cts": lambda d: iso_cts(d, 0.6)}[method](deltas["w"])
    expected = {"w": matrix, "v": np.mean(deltas["v"], 0)}
    for key, delta in expected.items():
        torch.testing.assert_close(
            ours[key].double(), base[key].double() + 0.7 * torch.tensor(delta), atol=2e-6, rtol=0
        )


def test_directions_without_a_singular_value_do_not_disturb(tmp_path: Path) -> None:
    """Deltas of rank one at right angles: nothing interferes, so TSV-M adds them up as they are."""
    base = {"w": torch.zeros(6, 6)}
    a, b = torch.zeros(6, 6), torch.zeros(6, 6)
    a[0, 1], b[3, 2] = 2.0, 5.0
    paths = [folder(tmp_path / n, {"w": t}) for n, t in (("0", base["w"]), ("a", a), ("b", b))]
    text = recipe("tsv_m", paths[0], (paths[1], "{}"), (paths[2], "{}"))
    torch.testing.assert_close(merged(text, tmp_path / "out")["w"], a + b)


def test_embeddings_can_be_averaged_by_a_filter(
    models: tuple[Path, list[dict[str, Tensor]]], tmp_path: Path
) -> None:
    root, (_, *others) = models
    inputs = [(root / name, "{}") for name in NAMES]
    flags = "{subspace: [{filter: w, value: false}, {value: true}]}"
    ours = merged(recipe("iso_c", root / "base", *inputs, parameters=flags), tmp_path / "out")
    torch.testing.assert_close(ours["w"], torch.stack([m["w"] for m in others]).mean(0))
