"""Adapters that are merged with each other are those of PEFT's ``add_weighted_adapter``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components import models
from components.errors import MergeError
from components.merging.checks import examine_recipe
from components.merging.merge import merge
from components.merging.recipe.reader import parse_recipe
from tests.components.models.adapters import peft_folders

peft = pytest.importorskip("peft", reason="needs the extra adapters")
CONFIG = "adapter_config.json"
ONE, TWO = ["q_proj", "v_proj"], ["v_proj", "up_proj"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapters")


@cache
def _adapters(made: Path, rank: int = 4) -> tuple[Path, Path, Path]:
    base = peft_folders.llama(made / f"base{rank}")
    first = peft_folders.adapter(base, made / f"one{rank}", target_modules=ONE)
    second = peft_folders.adapter(base, made / f"two{rank}", seed=2, target_modules=TWO, r=rank, lora_alpha=3)
    return base, first, second


def _recipe(method: str, first: Path, second: Path, parameters: str = "{}", more: str = "") -> Any:
    return parse_recipe(
        f"merge_method: {method}\nparameters: {parameters}\nadapters:\n"
        f"  - {{adapter: {first}, parameters: {{weight: 0.7}}}}\n"
        f"  - {{adapter: {second}, parameters: {{weight: -0.4}}}}\n{more}"
    )


def _by_peft(base: Path, first: Path, second: Path, method: str, **settings: Any) -> dict[str, torch.Tensor]:
    """Module -> what PEFT's merged adapter adds to its weight."""
    model = peft.PeftModel.from_pretrained(peft_folders.load(base), first, adapter_name="one")
    model.load_adapter(second, adapter_name="two")
    model.add_weighted_adapter(["one", "two"], [0.7, -0.4], "both", combination_type=method, **settings)
    return {
        name.removeprefix("base_model.model."): module.get_delta_weight("both").detach()
        for name, module in model.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer) and "both" in module.lora_A
    }


def _deltas(folder: Path) -> dict[str, torch.Tensor]:
    tensors = load_file(folder / "adapter_model.safetensors")
    names = [name.removesuffix(".lora_A.weight") for name in tensors if name.endswith("lora_A.weight")]
    return {
        name.removeprefix("base_model.model."): tensors[f"{name}.lora_B.weight"]
        @ tensors[f"{name}.lora_A.weight"]
        for name in names
    }


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("linear", {}),
        ("cat", {}),
        ("svd", {}),
        ("svd", {"svd_rank": 3, "svd_clamp": 0.9}),
        ("ties", {"density": 0.5}),
        ("ties", {"density": 0.5, "majority_sign_method": "frequency"}),
        ("ties_svd", {"density": 0.4}),
        ("dare_linear", {"density": 0.6}),
        ("dare_ties", {"density": 0.6}),
        ("dare_linear_svd", {"density": 0.6}),
        ("dare_ties_svd", {"density": 0.6}),
        ("magnitude_prune", {"density": 0.3}),
        ("magnitude_prune_svd", {"density": 0.3}),
    ],
)
def test_every_kind_is_that_of_peft(
    made: Path, tmp_path: Path, method: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # PEFT draws in the order of a model's modules: here a value's own digits decide whether it is dropped.
    monkeypatch.setattr(torch, "bernoulli", lambda p: (torch.arange(p.numel()).view_as(p) % 3 > 0).float())
    base, first, second = _adapters(made)
    values = "{" + ", ".join(f"{name}: {value}" for name, value in settings.items()) + "}"
    merge(_recipe(method, first, second, values), tmp_path / "out")
    expected, actual = _by_peft(base, first, second, method, **settings), _deltas(tmp_path / "out")
    assert actual.keys() == expected.keys()
    for name, delta in actual.items():
        assert torch.equal(delta, expected[name]), name


def test_knots_combines_what_each_adapter_has_of_the_common_basis(made: Path, tmp_path: Path) -> None:
    """Element by element: the smaller half of each V_i goes, what agrees with the sum's sign is averaged."""
    _, first, second = _adapters(made)
    merge(_recipe("knots_ties", first, second, "{density: 0.5}"), tmp_path / "out")
    adapters, merged = [_deltas(path) for path in (first, second)], _deltas(tmp_path / "out")
    scales = [
        c["lora_alpha"] / c["r"] for p in (first, second) for c in [json.loads((p / CONFIG).read_text())]
    ]
    for name, delta in merged.items():
        present = [number for number, adapter in enumerate(adapters) if name in adapter]
        deltas = [scales[n] * adapters[n][name].double().numpy() for n in present]
        u, s, vh = np.linalg.svd(np.concatenate(deltas, 1), full_matrices=False)
        rank = int((s > 1e-6 * s[0]).sum())
        own = np.split(vh[:rank], len(deltas), 1)
        for v in own:
            v[np.abs(v) < np.sort(np.abs(v), axis=None)[-int(0.5 * v.size)]] = 0
        combined = np.zeros_like(own[0])
        for index in np.ndindex(*combined.shape):
            values = [v[index] for v in own]
            weighted = zip(values, [(0.7, -0.4)[n] for n in present], strict=True)
            agreeing = [w * x for x, w in weighted if x and (x > 0) == (sum(values) > 0)]
            combined[index] = sum(agreeing) / max(len(agreeing), 1)
        expected = torch.tensor((u[:, :rank] * s[:rank]) @ combined)
        torch.testing.assert_close(delta.double(), expected, rtol=1e-4, atol=1e-6)


def test_peft_loads_the_merged_adapter(made: Path, tmp_path: Path) -> None:
    base, first, second = _adapters(made, rank=2)
    merge(_recipe("cat", first, second), tmp_path / "out")
    loaded = peft.PeftModel.from_pretrained(peft_folders.load(base), tmp_path / "out").merge_and_unload()
    folder = models.resolve(f"{base}+{tmp_path / 'out'}").path
    for name, tensor in load_file(Path(folder) / "model.safetensors").items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_with_a_base_the_result_is_a_model(made: Path, tmp_path: Path) -> None:
    base, first, second = _adapters(made)
    merge(_recipe("cat", first, second, more=f"base_model: {base}\n"), tmp_path / "out")
    both = models.resolve(f"{base}+0.7*{first}+-0.4*{second}")
    tensors = load_file(Path(both.path) / "model.safetensors")
    for name, tensor in load_file(
        Path(models.resolve(str(tmp_path / "out")).path) / "model.safetensors"
    ).items():
        torch.testing.assert_close(tensor, tensors[name])


def test_random_dropping_follows_the_seed(made: Path, tmp_path: Path) -> None:
    from components.merging.merge import MergeOptions

    _, first, second = _adapters(made)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        merge(
            _recipe("dare_linear", first, second, "{density: 0.5}"), tmp_path / name, MergeOptions(seed=seed)
        )
    a, b, c = (_deltas(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_a_model_and_its_adapter_are_an_input_of_a_merge_of_models(made: Path, tmp_path: Path) -> None:
    base, first, _ = _adapters(made)
    recipe = f"merge_method: linear\nmodels:\n  - {{model: {base}, parameters: {{weight: 1}}}}\n"
    recipe += f"  - {{model: {base}+{first}, parameters: {{weight: 1}}}}\n"
    merge(parse_recipe(recipe), tmp_path / "out")
    half = load_file(Path(models.resolve(f"{base}+0.5*{first}").path) / "model.safetensors")
    for name, tensor in load_file(tmp_path / "out/model.safetensors").items():
        torch.testing.assert_close(tensor, half[name])


@pytest.mark.parametrize(
    ("method", "parameters", "problem"),
    [
        ("tie", "{}", "no merge_method tie of adapters.*did you mean ties"),
        ("ties", "{}", "expected parameter density"),
        ("ties", "{density: 1.5}", "expected density above 0 and at most 1, found 1.5"),
        ("ties", "{denisty: 0.5}", "no parameter denisty.*did you mean density"),
        ("ties", "{density: 0.5, majority_sign_method: most}", "expected majority_sign_method total or freq"),
        ("svd", "{svd_rank: 0}", "expected svd_rank of 1 or more"),
        ("linear", "{}", r"expected adapters of one rank, found \[2, 4\]; use cat, svd"),
    ],
)
def test_wrong_recipes_are_refused_in_one_line(
    made: Path, method: str, parameters: str, problem: str
) -> None:
    _, first, second = _adapters(made, rank=2)
    with pytest.raises(MergeError, match=problem):
        examine_recipe(_recipe(method, first, second, parameters), None)


def test_adapters_that_do_not_fit_together_are_refused(made: Path, tmp_path: Path) -> None:
    base, first, _ = _adapters(made)
    dora = peft_folders.adapter(base, tmp_path / "dora", target_modules=ONE, use_dora=True)
    with pytest.raises(MergeError, match="expected a plain LoRA, found DoRA"):
        examine_recipe(_recipe("cat", first, dora), None)
    other = peft_folders.adapter(peft_folders.llama(tmp_path / "b2"), tmp_path / "o", target_modules=ONE)
    with pytest.raises(MergeError, match="expected adapters of one base, found base_model_name_or_path"):
        examine_recipe(_recipe("cat", first, other), None)
    with pytest.raises(MergeError, match="dtype has no meaning beside adapters"):
        _recipe("cat", first, other, more="dtype: float32\n")
    with pytest.raises(MergeError, match="expected two adapters or more, each once"):
        _recipe("cat", first, first)


@pytest.mark.parametrize("method", ["linear", "cat"])
def test_peft_loads_all_of_a_merged_adapter(tmp_path: Path, method: str) -> None:
    """Also where all ranks are by a pattern, and where the first adapter leaves out what the second has."""
    base = peft_folders.llama(tmp_path / "base")
    ranks = {"r": 8, "rank_pattern": {".*proj": 4}}
    first = peft_folders.adapter(
        base, tmp_path / "one", target_modules=ONE, exclude_modules=["v_proj"], **ranks
    )
    second = peft_folders.adapter(base, tmp_path / "two", seed=2, target_modules=["v_proj"], **ranks)
    merge(_recipe(method, first, second), tmp_path / "both")
    model = peft.PeftModel.from_pretrained(peft_folders.load(base), tmp_path / "both")
    adapted = {
        name.removeprefix("base_model.model."): module.get_delta_weight("default")
        for name, module in model.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    }
    merged = _deltas(tmp_path / "both")
    assert adapted.keys() == merged.keys()
    assert any("v_proj" in name for name in merged)
    assert all(torch.allclose(adapted[name], delta) for name, delta in merged.items())
