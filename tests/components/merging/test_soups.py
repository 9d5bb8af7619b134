"""Soups: the weights by hand, and what the greedy one keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from components.errors import MergeError
from components.merging.merge import merge
from components.merging.soup_recipes import uniform_soup
from components.merging.soups import greedy_soup
from tests.components.merging.model_folders import flat


def value(recipe: object, out: Path) -> float:
    merge(recipe, out)  # type: ignore[arg-type]
    return float(load_file(out / "model.safetensors")["w"][0])


def test_the_plain_mean_of_checkpoints(tmp_path: Path) -> None:
    paths = [str(flat(tmp_path / str(n), n)) for n in (1, 2, 4)]
    assert value(uniform_soup(paths), tmp_path / "all") == pytest.approx(7 / 3)


def score(model: str) -> float:
    """The nearer to 10, the better."""
    return -abs(float(load_file(Path(model) / "model.safetensors")["w"][0]) - 10)


def test_greedy_keeps_what_does_not_hurt(tmp_path: Path) -> None:
    """Best first: 9; with 12 the mean is 10.5, better; with 4 it is 8.33, worse, so 4 stays out."""
    paths = {n: str(flat(tmp_path / str(n), n)) for n in (4, 12, 9)}
    soup = greedy_soup(list(paths.values()), score, tmp_path / "work")
    assert soup.ingredients == (paths[9], paths[12])
    assert [step.accepted for step in soup.trials] == [True, True, False]
    assert soup.score == -0.5 == score(str(soup.folder))


def test_a_soup_of_one_needs_no_folder(tmp_path: Path) -> None:
    paths = [str(flat(tmp_path / str(n), n)) for n in (10, 3)]
    soup = greedy_soup(paths, score, tmp_path / "work")
    assert (soup.ingredients, soup.folder, soup.score) == ((paths[0],), None, 0.0)


def test_equal_scores_stay(tmp_path: Path) -> None:
    paths = [str(flat(tmp_path / name, 7)) for name in "ab"]
    assert greedy_soup(paths, score, tmp_path / "work").ingredients == tuple(paths)


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda: uniform_soup([]), "at least one"), (lambda: uniform_soup(["a", "a"]), "every model once")],
)
def test_wrong_arguments(call: object, message: str) -> None:
    with pytest.raises(MergeError, match=message):
        call()  # type: ignore[operator]
