"""The tensors of the output: modules, stacks and ranges of layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.errors import MergeError
from tests.components.merging.model_folders import folder, merged


def two_stacks(path: Path, value: float, encoder_layers: int = 2) -> Path:
    """A toy with an encoder and three decoder layers, every element of which is ``value``."""
    shapes = {f"encoder.layers.{n}.w": (2,) for n in range(encoder_layers)}
    shapes |= {f"decoder.layers.{n}.w": (2,) for n in range(3)}
    shapes |= {"encoder.embed.w": (2,), "head.w": (2,)}
    return folder(path, {name: torch.full(shape, value) for name, shape in shapes.items()}, decoder_layers=3)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return two_stacks(tmp_path / "a", 0.0), two_stacks(tmp_path / "b", 1.0)


def test_each_module_has_slices_and_parameters_of_its_own(pair: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = pair
    text = f"""
merge_method: linear
modules:
  encoder:
    models: [{{model: {a}, parameters: {{weight: 1}}}}, {{model: {b}, parameters: {{weight: 3}}}}]
  decoder:
    slices:
      - sources:
          - {{model: {a}, layer_range: [0, 2], parameters: {{weight: 1}}}}
          - {{model: {b}, layer_range: [1, 3], parameters: {{weight: 1}}}}
    parameters: {{normalize: false}}
"""
    out = merged(text, tmp_path / "out")
    assert {name: tensor.tolist()[0] for name, tensor in out.items()} == {
        "encoder.layers.0.w": 0.75, "encoder.layers.1.w": 0.75, "encoder.embed.w": 0.75,
        "decoder.layers.0.w": 1.0, "decoder.layers.1.w": 1.0,
        "head.w": 0.75,  # of no module: the first's
    }  # fmt: skip
    assert '"decoder_layers": 2' in (tmp_path / "out" / "config.json").read_text()


SLICES = "merge_method: linear\nslices: [{{sources: [{{model: {a}, layer_range: [0, 1]}}]}}]\n"
BEYOND = """
merge_method: linear
parameters: {{weight: 1}}
modules:
  encoder: {{slices: [{{sources: [{{model: {a}, layer_range: [1, 3]}}]}}]}}
"""
UNEQUAL = "merge_method: linear\nparameters: {{weight: 1}}\nmodels: [{{model: {a}}}, {{model: {c}}}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SLICES, r"has the stacks decoder\.layers, encoder\.layers; say with modules"),
        (BEYOND, r"has 2 layers in encoder\.layers, found layer_range \[1, 3\]"),
        (UNEQUAL, r"expected models with the same number of layers in encoder\.layers, found .*: 2, .*: 1"),
    ],
)
def test_layers_that_do_not_fit_are_refused(
    pair: tuple[Path, Path], tmp_path: Path, text: str, message: str
) -> None:
    c = two_stacks(tmp_path / "c", 1.0, encoder_layers=1)
    with pytest.raises(MergeError, match=message):
        merged(text.format(a=pair[0], b=pair[1], c=c), tmp_path / "out")
