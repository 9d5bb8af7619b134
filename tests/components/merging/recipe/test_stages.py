"""Recipes of several documents: their order, and what they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError, MergeError
from components.merging.checks import examine_recipe
from components.merging.recipe.reader import parse_recipe
from tests.components.merging.model_folders import flat, merged

NEEDS_MEAN = (
    "merge_method: linear\nmodels:\n  - {model: mean, parameters: {weight: 1}}\n"
    "  - {model: %s, parameters: {weight: 3}}\n"
)
MEAN = "name: mean\nmerge_method: linear\nparameters: {weight: 1}\nmodels: [{model: %s}, {model: %s}]\n"


def test_a_stage_reads_what_another_made(tmp_path: Path) -> None:
    """The last comes first in the file: 1/4 of the mean of 1 and 3, and 3/4 of 10."""
    a, b, c = (flat(tmp_path / name, value) for name, value in (("a", 1), ("b", 3), ("c", 10)))
    text = f"# two stages\n---\n{NEEDS_MEAN % c}---\n{MEAN % (a, b)}"
    recipe = parse_recipe(text)
    assert recipe.sources == (str(c), str(a), str(b))
    assert [stage.name for stage in recipe.stages] == ["mean"]
    assert merged(text, tmp_path / "out")["w"].tolist() == [8.0]
    lineage = (tmp_path / "out" / "merge.json").read_text()
    assert '"mean"' in lineage and "stages" not in lineage
    assert (tmp_path / "out" / "mergekit_config.yml").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["a", "b", "c", "out"]


def test_what_exists_is_checked_before_and_the_rest_as_it_comes(tmp_path: Path) -> None:
    a, b, c = flat(tmp_path / "a", 1), flat(tmp_path / "b", 3), flat(tmp_path / "c", 10, 20)
    text = f"{MEAN % (a, b)}---\n{NEEDS_MEAN % c}"
    diagnosis = examine_recipe(parse_recipe(text), None)
    assert [f.text for f in diagnosis.findings if f.level == "note"][-1].startswith(
        "stage the last: checked when"
    )
    with pytest.raises(MergeError, match=r"\[1\].*\[2\]|\[2\].*\[1\]"):
        merged(text, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{MEAN % ('x', 'y')}---\n{MEAN % ('z', 'y')}", "expected name mean once"),
        (f"{MEAN % ('x', 'mean')}---\n{NEEDS_MEAN % 'z'}", "found a circle: mean -> mean"),
        (f"{MEAN % ('x', 'y')}---\n{MEAN.replace('mean', 'other') % ('x', 'y')}", "found mean, other"),
        (f"{MEAN % ('x', 'y')}---\n\nmerge_methd: linear\n", r"recipe:7"),
    ],
)
def test_faults_are_named(text: str, message: str) -> None:
    with pytest.raises((MergeError, ConfigError), match=message):
        parse_recipe(text)
