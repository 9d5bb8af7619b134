"""Permutations of units: the function stays, and a known permutation is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from components.errors import MergeError
from components.merging.architecture.permutations import PermutableAxes, find_permutable_axes
from components.merging.merge import merge
from components.merging.methods.rebasin import Permutations, permute
from components.merging.recipe.reader import parse_recipe
from tests.components.merging.model_folders import flat, merged, recipe
from tests.components.merging.test_merge import tiny


def shuffled(axes: PermutableAxes, tensors: dict[str, Tensor], seed: int = 3) -> Permutations:
    """Random orders of the units of every group; heads as wholes, and what is inside of them."""
    random = torch.Generator().manual_seed(seed)
    sizes = {g: t.shape[i] for n, t in tensors.items() for i, g in enumerate(axes.by_tensor[n]) if g}
    orders = {group: torch.randperm(sizes[group], generator=random) for group in axes.groups}
    for attention, heads in axes.heads.items():
        order = torch.randperm(heads, generator=random).tolist()
        for group in (name for name in sizes if name.startswith(f"{attention} ")):
            size = sizes[group] // heads
            orders[group] = torch.cat([h * size + torch.randperm(size, generator=random) for h in order])
    return orders


@pytest.fixture(scope="module", params=["marian", "bart", "whisper"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Path]:
    """A tiny model, its folder, and that of the same model with its units in another order."""
    torch.manual_seed(0)
    model, root = tiny(request.param).eval(), tmp_path_factory.mktemp("models")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * 0.1 * weight.requires_grad)
    for name in ("base", "other"):
        model.save_pretrained(root / name)
        (root / name / "tokenizer.json").write_text("{}")
    path = root / "other" / "model.safetensors"
    tensors = load_file(path)
    axes = find_permutable_axes(tensors, model.config.to_dict())
    orders = shuffled(axes, tensors)
    moved = {n: permute(t, axes.by_tensor[n], orders).contiguous() for n, t in tensors.items()}
    assert sum(not torch.equal(moved[n], tensors[n]) for n in tensors) > 0.6 * len(tensors)
    save_file(moved, path, metadata={"format": "pt"})
    return model, root / "base", root / "other"


def logits(model: Any) -> Tensor:
    ids = torch.tensor([[1, 5, 7, 2]])
    if model.config.model_type == "whisper":
        features = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(1))
        return model(input_features=features, decoder_input_ids=ids).logits
    return model(input_ids=ids, decoder_input_ids=ids).logits


def test_a_permuted_model_computes_the_same(pair: tuple[Any, Path, Path]) -> None:
    model, _, other = pair
    permuted = type(model).from_pretrained(other).eval()
    with torch.no_grad():
        torch.testing.assert_close(logits(permuted), logits(model), rtol=1e-4, atol=1e-5)


def test_matching_finds_the_permutation(pair: tuple[Any, Path, Path], tmp_path: Path) -> None:
    _, base, other = pair
    found = merged(recipe("git_rebasin", base, (other, "{}")), tmp_path / "out")
    for name, tensor in load_file(base / "model.safetensors").items():
        assert torch.equal(found[name], tensor), name


def test_matching_is_a_stage_before_a_mean(pair: tuple[Any, Path, Path], tmp_path: Path) -> None:
    """The mean of a model with itself in another order is the model; without matching it is not."""
    model, base, other = pair
    text = (
        f"name: matched\nmerge_method: git_rebasin\nbase_model: {base}\nmodels: [{{model: {other}}}]\n---\n"
        f"merge_method: linear\nparameters: {{weight: 1}}\nmodels: [{{model: {base}}}, {{model: matched}}]\n"
    )
    merge(parse_recipe(text), tmp_path / "out")
    mean = type(model).from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        torch.testing.assert_close(logits(mean), logits(model), rtol=1e-4, atol=1e-5)


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    a, b = flat(tmp_path / "a", 1, 2), flat(tmp_path / "b", 2, 1)
    with pytest.raises(
        MergeError, match="git_rebasin: expected a model of type marian, bart, whisper, found toy"
    ):
        merged(recipe("git_rebasin", a, (b, "{}")), tmp_path / "out")
