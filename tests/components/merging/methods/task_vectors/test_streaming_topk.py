"""The k largest, against a sort."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.merging.methods.task_vectors.streaming_topk import MagnitudeTopK


def select(pieces: list[Tensor], keep: int) -> Tensor:
    largest = MagnitudeTopK(keep, pieces[0].dtype)
    for number in range(largest.passes):
        largest.begin_pass(number)
        for piece in pieces:
            largest.measure(number, piece)
    largest.rewind()
    return torch.cat([largest.mask(piece) for piece in pieces]).bool()


def by_sorting(values: Tensor, keep: int) -> Tensor:
    order = values.abs().double().argsort(descending=True, stable=True)[:keep]
    return torch.zeros(values.numel(), dtype=torch.bool).index_fill_(0, order, True)


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.floats(-2, 2, width=32), st.sampled_from([0.0, -0.0, 0.5, -0.5, 1e-40, 3e38, float("inf")])
        ),
        min_size=1,
        max_size=60,
    ),
    st.data(),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.float64]),
)
def test_as_a_stable_sort(values: list[float], data: st.DataObject, dtype: torch.dtype) -> None:
    tensor = torch.tensor(values, dtype=torch.float64).to(dtype)
    keep = data.draw(st.integers(1, len(values)))
    position = data.draw(st.integers(0, len(values)))
    pieces = [piece for piece in (tensor[:position], tensor[position:]) if piece.numel()]
    assert torch.equal(select(pieces, keep), by_sorting(tensor, keep))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_values(dtype: torch.dtype) -> None:
    tensor = torch.randn(200_000, generator=torch.Generator().manual_seed(0)).mul(0.01).to(dtype)
    for keep in (1, 777, 100_000, 199_999, 200_000):
        assert torch.equal(select(list(tensor.split(60_000)), keep), by_sorting(tensor, keep))


def test_none_is_kept() -> None:
    assert not select([torch.ones(3)], 0).any()
