"""Methods against what mergekit's own code gave for the same tensors (tests/golden/mergekit/make.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from components.merging.methods.table import METHODS
from tests.components.merging.model_folders import folder, merged, recipe

GOLDEN = load_file(Path(__file__).parents[3] / "golden" / "mergekit" / "methods.safetensors")
SHARES = ("{weight: 0.6}", "{weight: 0.3}", "{weight: 0.5}")
NONE = ("{}", "{}", "{}")
CASES = {
    "multislerp": ("", SHARES, "{}"),
    "multislerp_base": ("base", SHARES, "{}"),
    "multislerp_plain": ("", SHARES, "{normalize_weights: false}"),
    "karcher": ("", NONE, "{}"),
    "sce": ("base", NONE, "{}"),
    "sce_topk": ("base", NONE, "{select_topk: 0.4}"),
    "model_stock": ("base", NONE, "{}"),
    "model_stock_rows": ("base", NONE, "{filter_wise: true}"),
    "nearswap": ("base", NONE[:1], "{t: 0.003}"),
    "arcee_fusion": ("base", NONE[:1], "{}"),
    "ram": ("base", NONE, "{epsilon: 1.0e-3}"),
    "ramplus_tl": ("base", NONE, "{epsilon: 1.0e-3, r: 0.3, alpha: 0.9}"),
}
"""Case -> base, each model's parameters, parameters of all."""
TO_THE_BIT = ("nearswap", "arcee_fusion", "ram", "ramplus_tl")
"""Methods without a sum over a whole tensor, which depends on the order of its terms."""


def method_of(case: str) -> str:
    """The longest method's name that the case begins with."""
    return max((m for m in METHODS if case.startswith(m)), key=len)


def golden(kind: str, name: str) -> dict[str, Tensor]:
    return {key.rsplit("/", 1)[1]: t for key, t in GOLDEN.items() if key.startswith(f"{kind}/{name}/")}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models") / request.param
    for name in ("base", "a", "b", "c"):
        folder(root / name, golden(request.param, name))
    return root


@pytest.mark.parametrize("case", CASES)
def test_a_method_gives_what_mergekit_gives(case: str, models: Path, tmp_path: Path) -> None:
    if case == "sce_topk" and models.name == "bfloat16":
        pytest.skip("of equal variances, frequent in bfloat16, torch.topk takes any")
    base, shares, parameters = CASES[case]
    inputs = [(models / name, share) for name, share in zip(("a", "b", "c"), shares, strict=False)]
    text = recipe(method_of(case), models / base if base else None, *inputs, parameters=parameters)
    ours, theirs = merged(text, tmp_path / "out"), golden(models.name, case)
    for name, tensor in theirs.items():
        tensor = tensor.to(ours[name].dtype)
        if method_of(case) in TO_THE_BIT:
            assert torch.equal(ours[name], tensor), name
        else:
            rounding = 2**-21 if tensor.dtype == torch.float32 else 2**-6
            bound = rounding * float(tensor.abs().max())
            assert float((ours[name].float() - tensor.float()).abs().max()) <= bound, name
