"""Task vectors are a vector space, and base + (tuned - base) is tuned to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from components.errors import MergeError
from components.merging.merge import merge
from components.merging.soup_recipes import average_recipe
from components.merging.task_vectors import TaskVector, combine_vectors, search_scale
from tests.components.merging.model_folders import folder

NAMES = st.sampled_from("abcd")
VECTORS = st.dictionaries(NAMES, st.integers(-4, 4).map(float)).map(
    lambda terms: TaskVector({n: v for n, v in terms.items() if v})
)


def test_the_base_and_its_vector_are_the_tuned_model(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    base = folder(tmp_path / "base", {"w": torch.randn(500, generator=draw) * 100})
    tuned = folder(tmp_path / "tuned", {"w": torch.randn(500, generator=draw) * 1e-6})
    vector = TaskVector.of(str(base), str(tuned))
    merge(average_recipe(vector.added_to(str(base)), normalize=False), tmp_path / "out")
    again = load_file(tmp_path / "out" / "model.safetensors")["w"]
    assert torch.equal(again, load_file(tuned / "model.safetensors")["w"])


def test_added_and_negated(tmp_path: Path) -> None:
    values = {"base": 10.0, "one": 12.0, "two": 11.0}
    paths = {name: str(folder(tmp_path / name, {"w": torch.tensor([v])})) for name, v in values.items()}
    single, two = (TaskVector.of(paths["base"], paths[name]) for name in ("one", "two"))
    merge(
        average_recipe(combine_vectors([single, two], 2.0).added_to(paths["base"]), normalize=False),
        tmp_path / "sum",
    )
    merge(average_recipe(single.times(-0.5).added_to(paths["two"]), normalize=False), tmp_path / "less")
    assert load_file(tmp_path / "sum" / "model.safetensors")["w"].item() == 16.0
    assert load_file(tmp_path / "less" / "model.safetensors")["w"].item() == 10.0


@given(VECTORS, VECTORS, VECTORS, st.integers(-3, 3).map(float))
def test_a_vector_space(a: TaskVector, b: TaskVector, c: TaskVector, k: float) -> None:
    assert a.plus(b).terms == b.plus(a).terms
    assert a.plus(b).plus(c).terms == a.plus(b.plus(c)).terms
    assert a.plus(b).times(k).terms == a.times(k).plus(b.times(k)).terms
    assert a.plus(a.times(-1.0)).terms == {}
    assert combine_vectors([a, b, c], k).terms == a.plus(b).plus(c).times(k).terms


def test_nothing_left() -> None:
    with pytest.raises(MergeError, match="found that they cancel"):
        TaskVector({"m": -1.0}).added_to("m")


def test_the_best_scale_is_found() -> None:
    best = search_scale([0.0, 0.3, 0.6, 1.0], lambda scale: -((scale - 0.5) ** 2))
    assert best.scale == 0.6 and len(best.scores_by_scale) == 4
    assert search_scale([0.2, 0.4], lambda scale: 1.0).scale == 0.2


def test_no_scales_are_refused() -> None:
    with pytest.raises(MergeError, match="expected scales to try, found none"):
        search_scale([], lambda scale: scale)
