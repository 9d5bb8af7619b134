"""Methods that compute on a card give the CPU's bits there: on the strict device, and on a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from components.merging.io import tensor_task
from components.merging.merge import MergeOptions
from components.merging.merge import merge as merge_models
from components.merging.methods.method import Method
from components.merging.methods.table import METHODS
from components.merging.recipe.parameters import Scalar
from components.merging.recipe.reader import parse_recipe
from tests.components.merging.methods.test_one_pass import assert_same_bits, make_task, merge_by_torch
from tests.components.merging.model_folders import recipe
from tests.components.merging.test_merge import layered
from tests.strict_device import StrictDevice, on_cpu

ON_CARD = {name: row for name, row in METHODS.items() if row.on_card}
SUMMED = ("dare_ties", "dare_linear", "della", "della_linear")
"""What they drop is made up for by sums of float32, which a card may add in another order."""


def task_of(row: Method, dtype: torch.dtype, **changes: Scalar) -> tensor_task.TensorTask:
    """A tensor of which many elements have equal magnitudes."""
    own = {name: p.default for name, p in row.parameters.items() if p.per_model}
    shared = {name: p.default for name, p in row.parameters.items() if not p.per_model}
    own |= {name: value for name, value in {"weight": 0.5, "density": 0.4}.items() if name in row.parameters}
    base, *deltas = torch.randn(3, 24, 32, generator=torch.Generator().manual_seed(0))
    tensors = [base.to(dtype), *((base + (delta * 4).round() / 64).to(dtype) for delta in deltas)]
    return make_task(tensors, [own, own], {**shared, **changes})


def merge(name: str, task: tensor_task.TensorTask) -> Tensor:
    return torch.cat([on_cpu(piece.to(task.out_dtype)).view(-1) for piece in METHODS[name].merge(task)])


def on_card(task: tensor_task.TensorTask) -> tensor_task.TensorTask:
    return task._replace(device=torch.device("cuda:0"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ON_CARD)
def test_a_card_gives_the_bits_of_the_cpu(
    name: str, dtype: torch.dtype, device: StrictDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_task, "PIECE_ELEMENTS", 256)
    monkeypatch.setattr(tensor_task, "CARD_FACTOR", 1)
    task = task_of(ON_CARD[name], dtype)
    expected = merge_by_torch(name, task, monkeypatch)
    device.counts.clear()
    assert_same_bits(merge(name, on_card(task)), expected)
    assert device.counts.total("launch") > 0


@pytest.mark.parametrize("semantics", ["paper", "peft"])
def test_so_do_other_semantics(semantics: str, device: StrictDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(ON_CARD["della"], torch.bfloat16, semantics=semantics)
    assert_same_bits(merge("della", on_card(task)), merge_by_torch("della", task, monkeypatch))


def test_a_whole_merge_has_the_same_weights(tmp_path: Path, device: StrictDevice) -> None:
    models = [layered(tmp_path / name, seed) for seed, name in enumerate(("base", "a", "b"))]
    text = recipe("ties", models[0], *((model, "{weight: 1, density: 0.5}") for model in models[1:]))
    for place in ("cpu", "cuda:0"):
        merge_models(parse_recipe(text), tmp_path / place, MergeOptions(device=place))
    weights = [(tmp_path / place / "model.safetensors").read_bytes() for place in ("cpu", "cuda:0")]
    assert weights[0] == weights[1]
    assert device.counts.total("launch") > 0


@pytest.mark.gpu
@pytest.mark.parametrize("name", ON_CARD)
def test_a_real_card_merges_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    task = task_of(ON_CARD[name], torch.float32)
    found, expected = merge(name, on_card(task)), merge_by_torch(name, task, monkeypatch)
    if name in SUMMED or row_is_spectral(name):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    else:
        assert_same_bits(found, expected)


def row_is_spectral(name: str) -> bool:
    return ON_CARD[name].family is None
