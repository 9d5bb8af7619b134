"""Names of models in a recipe: a path of the current folder, of the recipe's, or a repository of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.merging.recipe.model_names import reference_of
from components.merging.recipe.reader import parse_recipe


def test_a_name_is_looked_up_as_mergekit_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "both").mkdir(parents=True)
    (tmp_path / "recipes" / "both").mkdir(parents=True)
    (tmp_path / "recipes" / "org" / "near").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    where = str(tmp_path / "recipes" / "r.yml")
    recipe = parse_recipe("merge_method: linear\nmodels: [{model: a}]\n", where)
    names = ("both", "org/near", "org/far", "org/far@main", "nowhere", "packaged:both", "../far")
    assert [reference_of(name, recipe) for name in names] == [
        "both",
        str(tmp_path / "recipes" / "org" / "near"),
        "hub:org/far",
        "hub:org/far@main",
        "nowhere",
        "packaged:both",
        "../far",
    ]
