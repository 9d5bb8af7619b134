"""Where subnormal numbers are read and written."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.common.subnormals import Place, count_subnormals, counted_subnormals


def test_of_each_type() -> None:
    values = [torch.tensor([1.0, 0.0, -1e-39, torch.inf]), torch.tensor([1e-39, -torch.nan]).bfloat16()]
    assert count_subnormals([values, {"ids": torch.tensor([3])}]) == (6, 2)


def test_by_module_and_operator() -> None:
    layer = nn.Sequential(nn.Softmax(dim=-1), nn.Linear(2, 1, bias=False))
    with torch.inference_mode(), counted_subnormals() as counts:
        layer(torch.tensor([[0.0, -90.0]]))
    found = {place for place, count in counts.items() if count.subnormal}
    assert Place("Softmax", "aten::softmax", "out") in found
    assert Place("Linear", "forward", "in") in found
    assert not any(place.module == "Linear" and place.side == "out" for place in found)
