"""Task vectors by name: the sum that is written out, against the models' own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.errors import MergeError
from components.merging.merge import merge
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe
from components.merging.recipe.vectors import fill_vectors, held_vectors, sum_vectors
from tests.components.merging.model_folders import folder

VALUES = {"base": [10.0, 1.0], "one": [12.0, 1.0], "two": [11.0, 3.0]}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    return {name: str(folder(tmp_path / name, {"w": torch.tensor(v)})) for name, v in VALUES.items()}


def recipe(base: str, *models: dict[str, object], **keys: object) -> Recipe:
    content = {"merge_method": "task_arithmetic", "base_model": base, "models": models, **keys}
    return parse_recipe(json.dumps(content, indent=1))


def weights(merged: Recipe, out: Path) -> list[float]:
    merge(merged, out)
    return load_file(out / "model.safetensors")["w"].tolist()


def test_a_vector_may_come_from_another_base(paths: dict[str, str], tmp_path: Path) -> None:
    """10 - 0.5 * (12 - 11) = 9.5; 1 - 0.5 * (1 - 3) = 2; without minus it is the base: 10 + 2 * (11 - 10)."""
    one = recipe(paths["base"], {"model": paths["one"], "minus": paths["two"], "scale": -0.5})
    assert weights(one, tmp_path / "a") == [9.5, 2.0]
    assert weights(recipe(paths["base"], {"model": paths["two"], "scale": 2}), tmp_path / "b") == [12.0, 5.0]


def test_what_cancels_is_not_computed(paths: dict[str, str], tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    base = folder(tmp_path / "large", {"w": torch.randn(500, generator=draw) * 100})
    tuned = folder(tmp_path / "small", {"w": torch.randn(500, generator=draw) * 1e-6})
    merge(recipe(str(base), {"model": str(tuned), "scale": 1}), tmp_path / "out")
    again = load_file(tmp_path / "out" / "model.safetensors")["w"]
    assert torch.equal(again, load_file(tuned / "model.safetensors")["w"])


def test_all_scales_times_a_factor(paths: dict[str, str], tmp_path: Path) -> None:
    both = recipe(paths["base"], {"model": paths["one"], "scale": 1}, {"model": paths["two"], "scale": 0.5})
    assert weights(both, tmp_path / "1") == [12.5, 2.0]
    assert weights(sum_vectors(both, 2.0), tmp_path / "2") == [15.0, 3.0]
    assert weights(sum_vectors(both, 0.0), tmp_path / "0") == VALUES["base"]


def test_a_vector_that_a_node_holds(paths: dict[str, str], tmp_path: Path) -> None:
    held = recipe(paths["base"], {"vector": "node:learned", "scale": -1})
    assert held_vectors(held) == ("node:learned",)
    assert held.sources == (paths["base"],)
    filled = fill_vectors(held, {"node:learned": (paths["two"], paths["one"])})
    assert weights(filled, tmp_path / "out") == [11.0, -1.0]


@pytest.mark.parametrize(
    ("keys", "model", "message"),
    [
        ({"merge_method": "ties"}, {"model": "b", "minus": "a"}, "expected merge_method task_arithmetic"),
        ({"base_model": None}, {"model": "b", "minus": "a"}, "and a base_model"),
        ({"parameters": {"lambda": 1}}, {"model": "b", "minus": "a"}, "parameters have no meaning beside"),
        ({}, {"model": "b", "scale": "much"}, "expected a finite number, found 'much'"),
        ({}, {"vector": "b"}, "expected node:NAME or store:KEY"),
        ({}, {"vector": "node:b", "minus": "a"}, r"expected \{model, minus, scale\} or"),
        ({}, {"minus": "a"}, r"expected \{model, minus, scale\} or"),
        ({}, {"model": "a", "minus": "base", "scale": 0.0, "weigth": 1}, None),
    ],
)
def test_faults_name_the_line(keys: dict[str, object], model: dict[str, object], message: str | None) -> None:
    content = {"merge_method": "task_arithmetic", "base_model": "base", "models": [model], **keys}
    if message is None:  # an unknown key is a warning, as in mergekit
        assert "no such key" in parse_recipe(json.dumps(content, indent=1)).warnings[0]
        return
    with pytest.raises(MergeError, match=rf"recipe(:\d+)?.*{message}"):
        parse_recipe(json.dumps(content, indent=1))
