"""Merges in one pass over the weights, against torch's operators: every bit, but those of a NaN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.kernels import task_vectors
from components.merging.io import tensor_task
from components.merging.io.tensor_task import TensorInput, TensorTask
from components.merging.methods.table import METHODS
from components.merging.recipe.parameters import Scalar

pytestmark = pytest.mark.usefixtures("own_kernels")
NAMES = (
    "linear", "task_arithmetic", "ties", "dare_ties", "dare_linear",
    "breadcrumbs", "breadcrumbs_ties", "della", "della_linear",
)  # fmt: skip
INTEGERS = {2: torch.int16, 4: torch.int32}
SPECIAL = (float("nan"), float("inf"), -float("inf"), -0.0, 0.0)


class InMemory:
    """A ``ReadableTensor``."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self.shape, self.dtype = tensor, tuple(tensor.shape), tensor.dtype

    def read(self, start: int, stop: int) -> Tensor:
        """A copy, as from a file."""
        return self._tensor.view(-1)[start:stop].clone()


def make_task(
    tensors: list[Tensor], own: list[dict[str, Scalar | None]], shared: dict[str, Scalar | None]
) -> TensorTask:
    """Tensors of a base and of models; ``own`` are the models' parameters."""
    base, *models = [
        TensorInput(InMemory(tensor), number, parameters)
        for number, (tensor, parameters) in enumerate(zip(tensors, [own[0], *own], strict=True))
    ]
    first = tensors[0]
    shape, dtype = tuple(first.shape), first.dtype
    return TensorTask("w", shape, tuple(models), base, True, shared, dtype, dtype, 1)


def merge(name: str, task: TensorTask) -> Tensor:
    return torch.cat([piece.to(task.out_dtype).view(-1) for piece in METHODS[name].merge(task)])


def merge_by_torch(name: str, task: TensorTask, patch: pytest.MonkeyPatch) -> Tensor:
    with patch.context() as switched:
        switched.setenv("ANTIPHON_KERNELS", "onednn")
        return merge(name, task)


def assert_same_bits(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype
    numbers = ~expected.isnan()
    assert torch.equal(numbers, ~found.isnan())
    kind = INTEGERS[found.itemsize]
    assert torch.equal(found[numbers].view(kind), expected[numbers].view(kind))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Gets a number for each call of compiled code."""
    seen: list[int] = []
    threads = task_vectors._threads

    def count(piece: Tensor, models: int = 1) -> int:
        seen.append(models)
        return threads(piece, models)

    monkeypatch.setattr(task_vectors, "_threads", count)
    yield seen


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_as_by_torch(data: st.DataObject, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Types, sizes around a vector, ties (coarse numbers), special values, subnormal ones, cut pieces."""
    name = data.draw(st.sampled_from(NAMES))
    dtype = data.draw(st.sampled_from([torch.bfloat16, torch.float32, torch.float16]))
    shape = data.draw(st.sampled_from([(1,), (16,), (23,), (5, 3), (33, 40)]))
    monkeypatch.setattr(tensor_task, "PIECE_ELEMENTS", data.draw(st.sampled_from([16, 50, 1 << 19])))
    count, size = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1e-39, 1e-3, 1.0, 1e4]))
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    base = torch.randn(shape, generator=random) * size
    change = data.draw(st.sampled_from([0.002, 0.1]))
    deltas = [torch.randn(shape, generator=random) * size * change for _ in range(count)]
    tensors = [base.to(dtype), *((base + delta).to(dtype) for delta in deltas)]
    if data.draw(st.booleans()):
        for tensor in tensors:
            for value in SPECIAL:
                tensor.view(-1)[torch.randint(tensor.numel(), (1,), generator=random)] = value
    weights, densities = st.sampled_from([1.0, 0.6, 1 / 3, -0.3, 0.0]), st.sampled_from([1.0, 0.8, 0.5, 0.3])
    own: list[dict[str, Scalar | None]] = [
        {"weight": data.draw(weights), "density": data.draw(densities), "gamma": 0.05, "epsilon": 0.1}
        for _ in range(count)
    ]
    shared: dict[str, Scalar | None] = {
        "normalize": data.draw(st.booleans()) and name != "linear",
        "rescale": data.draw(st.booleans()),
        "lambda": data.draw(st.sampled_from([None, 1.0, 0.7])),
        "semantics": "mergekit",
    }
    task = make_task(tensors, own, shared)
    calls.clear()
    found = merge(name, task)
    assert calls
    calls.clear()
    assert_same_bits(found, merge_by_torch(name, task, monkeypatch))
    assert not calls


@pytest.mark.parametrize("name", ["linear", "ties", "dare_ties"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_on_two_threads(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a piece; the last takes what is left of a vector. (Torch's sums depend on the threads.)"""
    random = torch.Generator().manual_seed(0)
    base = torch.randn(200_003, generator=random)
    tensors = [(base + torch.randn(base.shape, generator=random) * change).to(dtype) for change in (0, 1, 1)]
    own: list[dict[str, Scalar | None]] = [{"weight": 0.6, "density": 0.5}, {"weight": 0.5, "density": 0.3}]
    shared: dict[str, Scalar | None] = {
        "normalize": True, "rescale": True, "lambda": 1.0, "semantics": "mergekit"
    }  # fmt: skip
    task = make_task(tensors, own, shared)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert task_vectors._threads(tensors[0]) == 2
        assert_same_bits(merge(name, task), merge_by_torch(name, task, monkeypatch))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("density", "semantics", "name"),
    [(0.0, "mergekit", "ties"), (0.5, "peft", "ties"), (0.5, "paper", "della")],
)
def test_what_it_leaves_to_torch(density: float, semantics: str, name: str, calls: list[int]) -> None:
    """A dropped delta is zeros and not 0 times it; other elections; DELLA's divided probabilities."""
    tensors = [torch.arange(8.0), torch.arange(8.0) * 1.5]
    shared: dict[str, Scalar | None] = {
        "normalize": False, "rescale": True, "lambda": 1.0, "semantics": semantics
    }  # fmt: skip
    task = make_task(tensors, [{"weight": 1.0, "density": density, "epsilon": 0.1}], shared)
    assert merge(name, task).isfinite().all()
    assert not calls
