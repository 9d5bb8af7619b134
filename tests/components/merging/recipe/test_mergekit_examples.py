"""Every example recipe of mergekit's repository is read, or refused for a reason that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.errors import MergeError
from components.merging.methods.validation import check_method
from components.merging.recipe.moe import read_moe_settings
from components.merging.recipe.reader import parse_recipe

PATH = Path(__file__).parents[3] / "golden" / "mergekit" / "examples.yml"
EXAMPLES: dict[str, dict[str, str]] = yaml.safe_load(PATH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_read_or_refused_by_name(name: str) -> None:
    example = EXAMPLES[name]
    if example.get("kind") != "experts":
        recipe = parse_recipe(example["recipe"])
        for stage in (*recipe.stages, recipe):
            assert not check_method(stage) and not stage.warnings
    elif "refused" in example:
        with pytest.raises(MergeError, match=example["refused"]):
            read_moe_settings(example["recipe"], "recipe")
    else:
        assert read_moe_settings(example["recipe"], "recipe")["models"][0] == "o/a"
