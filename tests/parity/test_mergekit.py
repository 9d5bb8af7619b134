"""Against what mergekit 0.1.5 wrote for the same models and recipes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import read_recipe

pytestmark = pytest.mark.shared
GOLDEN = Path(os.environ.get("ANTIPHON_SHARED", "../shared")).absolute() / "golden" / "mergekit"
EXACT = (
    *("linear", "linear3_nonorm", "slerp", "slerp_gradient", "nuslerp", "passthrough"),
    *("task_arithmetic", "ties", "breadcrumbs"),
)


@pytest.fixture(autouse=True)
def in_the_goldens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not GOLDEN.is_dir():
        pytest.skip(f"needs {GOLDEN}: set ANTIPHON_SHARED to the shared folder")
    monkeypatch.chdir(GOLDEN)
    yield


def made(name: str, tmp_path: Path, seed: int = 42) -> dict[str, Tensor]:
    out = tmp_path / f"{name}-{seed}"
    merge(read_recipe(Path("recipes") / f"{name}.yml"), out, MergeOptions(seed=seed))
    return load_file(out / "model.safetensors")


def ordered(x: Tensor) -> Tensor:
    """Integers that count floats: neighbours differ by 1."""
    bits = x.view(torch.int32).long()
    return torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


@pytest.mark.parametrize("name", EXACT)
def test_deterministic_methods(name: str, tmp_path: Path) -> None:
    ours, theirs = made(name, tmp_path), load_file(Path("out") / name / "model.safetensors")
    assert ours.keys() == theirs.keys()
    total = near = 0
    for key, expected in theirs.items():
        assert (ours[key].shape, ours[key].dtype) == (expected.shape, expected.dtype)
        apart = (ordered(ours[key]) - ordered(expected)).abs()
        total, near = total + apart.numel(), near + int((apart <= 1).sum())
        far = apart > 1
        torch.testing.assert_close(ours[key][far], expected[far], rtol=1e-6, atol=0)
    assert near >= 0.999 * total


@pytest.mark.parametrize("name", ["dare_ties", "dare_linear"])
def test_dare_by_its_statistics(name: str, tmp_path: Path) -> None:
    """Which elements stay is random: how many do, and how much is left of the deltas, is not."""
    ours, theirs = made(name, tmp_path), load_file(Path("out") / name / "model.safetensors")
    base = load_file(Path("models/base/model.safetensors"))
    moved, mass = ([], []), ([], [])
    for key in base:
        for which, model in enumerate((ours, theirs)):
            delta = model[key] - base[key]
            moved[which].append((delta.abs() > 1e-8).sum().item())
            mass[which].append(delta.abs().sum().item())
    n = sum(t.numel() for t in base.values())
    share = [sum(values) / n for values in moved]
    assert share[0] == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / n) ** 0.5)  # 1 - 0.5 ** 2
    assert share[0] == pytest.approx(share[1], abs=6 * (0.75 * 0.25 / n) ** 0.5)
    assert sum(mass[0]) == pytest.approx(sum(mass[1]), rel=0.01)


def test_dare_is_a_function_of_the_seed(tmp_path: Path) -> None:
    first, other = made("dare_ties", tmp_path), made("dare_ties", tmp_path, seed=43)
    (tmp_path / "again").mkdir()
    again = made("dare_ties", tmp_path / "again")
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_output_generates(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    made("passthrough", tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "passthrough-42")
    assert model.config.num_hidden_layers == 6
    assert model.generate(torch.tensor([[1, 5]]), max_new_tokens=3, do_sample=False).shape[1] > 2
