"""The writer holds its caller to the plan: what differs would be a damaged file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_writer import TensorSpec, TensorWriter

SPECS = [TensorSpec("a", torch.float32, (2,)), TensorSpec("b", torch.float64, (3,))]


def write(folder: Path, *pieces: tuple[str, list[Tensor]]) -> None:
    TensorWriter(folder, SPECS).write(pieces)


def test_pieces_in_the_order_of_the_plan_are_the_tensors(tmp_path: Path) -> None:
    assert TensorWriter(tmp_path, SPECS).order == [["b", "a"]]
    write(tmp_path, ("b", [torch.ones(1), torch.zeros(2)]), ("a", [torch.ones(2)]))
    stored = load_file(tmp_path / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in stored.items()} == {"a": [1, 1], "b": [1, 0, 0]}


def test_another_order_and_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="expected tensor b next, found a"):
        write(tmp_path, ("a", [torch.ones(2)]))
    with pytest.raises(MergeError, match="tensor b: expected 24 bytes, found 16"):
        write(tmp_path, ("b", [torch.ones(2)]))


@pytest.mark.parametrize("value", [torch.inf, torch.nan, 1e39])
def test_what_the_type_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    wide, narrow = (torch.tensor([first, value], dtype=torch.float64) for first in (1e300, 1.0))
    pieces = [("b", [wide[:1].expand(3)]), ("a", [narrow])]
    with pytest.raises(MergeError, match="tensor a: expected finite values in float32, found 1 of 2"):
        write(tmp_path, *pieces)
