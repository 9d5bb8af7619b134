"""Damaged model folders are named, before and while their tensors are read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from components.errors import ModelError
from components.merging.io.input_models import open_models
from components.merging.recipe.reader import parse_recipe
from tests.components.merging.model_folders import flat, folder, recipe


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    model = flat(tmp_path / "a", *range(100))
    with open_models(parse_recipe(recipe("linear", None, (model, "{weight: 1}")))) as (folders, _):
        (opened,) = folders.values()
        file = model / "model.safetensors"
        os.truncate(file, file.stat().st_size - 8)
        assert opened.read(opened.tensors["w"], 0, 98).tolist() == list(range(98))
        with pytest.raises(ModelError, match="ends before its header says; fetch the model again"):
            opened.read(opened.tensors["w"])


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    model = folder(tmp_path / "a", {"x": torch.ones(2)})
    (model / "model.safetensors").unlink()
    for name in ("one", "two"):
        save_file({"x": torch.ones(2), name: torch.ones(1)}, model / f"{name}.safetensors")
    weight_map = {"x": "one.safetensors", "one": "one.safetensors", "two": "two.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with (
        pytest.raises(ModelError, match="tensor x is stored twice; fetch the model again"),
        open_models(parse_recipe(recipe("linear", None, (model, "{weight: 1}")))),
    ):
        pass


def test_a_shape_of_more_elements_than_there_are_bytes(tmp_path: Path) -> None:
    file = folder(tmp_path / "a", {"x": torch.ones(2), "y": torch.ones(2)}) / "model.safetensors"
    file.write_bytes(file.read_bytes().replace(b'"shape":[2]', b'"shape":[3]', 1))
    with (
        pytest.raises(ModelError, match="expected 12 bytes of tensor x, found 8; fetch the model again"),
        open_models(parse_recipe(recipe("linear", None, (file.parent, "{weight: 1}")))),
    ):
        pass
