"""Merging as a node: what an interrupted merge left is removed, and doubts are logged and stored."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from components.analysis.dev_scores import DevelopmentScorer
from components.errors import MergeError
from components.merging.config import MergeConfig
from components.merging.kinds.merge import Merge
from components.merging.kinds.task_vector import TaskVectorKind, TaskVectorSettings, read_vector
from components.nodes.node_context import NodeContext
from components.storage.stages.whole_stage import TABLES
from tests.components.merging import model_folders


def test_doubts_are_logged_and_what_was_left_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, other = (
        model_folders.folder(tmp_path / name, {"w": torch.tensor([value, 1.0])}, rope_theta=theta)
        for name, value, theta in (("a", 1.0, 10_000), ("b", 3.0, 20_000))
    )
    recipe = model_folders.recipe("linear", None, (first, "{weight: 1}"), (other, "{weight: 1}"))
    stage = tmp_path / "stage"
    for left in (stage / "model", stage / ".model.partial"):
        left.mkdir(parents=True)
        (left / "left.safetensors").touch()
    with caplog.at_level(logging.WARNING, logger="antiphon.merging"):
        product = Merge().make(MergeConfig(recipe=recipe), NodeContext("soup"), {}, stage)
    assert not (stage / ".model.partial").exists()
    assert "model/left.safetensors" not in product.files
    assert load_file(stage / "model" / "model.safetensors")["w"].tolist() == [2.0, 1.0]
    (warning,) = [m for m in caplog.messages if "rope_theta" in m]
    assert "config.json has rope_theta 10000 and 20000; the output takes the first model's" in warning
    (table,) = json.loads((stage / TABLES).read_text())["tables"]
    assert {"level": "warning", "text": warning.removeprefix("merge: ")} in table["rows"]


def score_of(scorer: DevelopmentScorer, model: str, *, is_speech: bool) -> float:
    """The nearer to 10, the better."""
    scorer.name = "bleu"
    return -abs(float(load_file(Path(model) / "model.safetensors")["w"][0]) - 10)


def make(settings: dict[str, object], stage: Path) -> tuple[float, list[dict[str, Any]]]:
    """The first weight of what a node makes, and its tables."""
    stage.mkdir()
    Merge().make(MergeConfig.model_validate(settings), NodeContext("soup"), {}, stage)
    weight = float(load_file(stage / "model" / "model.safetensors")["w"][0])
    return weight, json.loads((stage / TABLES).read_text())["tables"]


def test_a_greedy_soup_keeps_a_table_of_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DevelopmentScorer, "_measure", score_of)
    models = [str(model_folders.flat(tmp_path / str(n), n)) for n in (4, 12, 9)]
    settings = {"method": "greedy_soup", "models": models, "dev": "sample", "dev_limit": 2}
    weight, (tried, _) = make(settings, tmp_path / "stage")
    assert weight == 10.5
    assert tried["title"] == "Greedy soup: 2 of 3 models"
    assert [row["kept"] for row in tried["rows"]] == ["yes", "yes", "no"]
    assert [row["model"] for row in tried["rows"]] == [models[2], models[1], models[0]]
    assert tried["columns"][0] == "model"  # JSON sorts the names of a row
    assert [row["bleu of the mean with it"] for row in tried["rows"]] == ["-1.00", "-0.50", "-1.67"]
    assert make({"method": "uniform_soup", "models": models}, tmp_path / "mean")[0] == pytest.approx(25 / 3)


def test_the_scale_of_task_vectors_is_chosen_on_dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DevelopmentScorer, "_measure", score_of)
    base, tuned = (str(model_folders.flat(tmp_path / name, n)) for name, n in (("base", 8), ("tuned", 9)))
    vector = {"model": tuned, "minus": base, "scale": 2}
    recipe = {"merge_method": "task_arithmetic", "base_model": base, "models": [vector]}
    settings = {"recipe": recipe, "dev": "sample", "dev_limit": 2}
    weight, (tried, _) = make({**settings, "scales": [0, 0.5, 1, 2]}, tmp_path / "stage")
    assert weight == 10.0
    assert [row["kept"] for row in tried["rows"]] == ["no", "no", "yes", "no"]
    assert "edge" not in tried["note"]
    weight, (tried, _) = make({**settings, "scales": [0, 0.5]}, tmp_path / "edge")
    assert weight == 9.0
    assert "0.5 lies at the edge of what was tried" in tried["note"]


def test_a_vector_that_a_node_made_is_added(tmp_path: Path) -> None:
    values = {"base": 8, "tuned": 9, "other": 20}
    paths = {name: str(model_folders.flat(tmp_path / name, n)) for name, n in values.items()}
    stage = tmp_path / "vector"
    stage.mkdir()
    settings = TaskVectorSettings(model=paths["tuned"], minus=paths["base"])
    TaskVectorKind().make(settings, NodeContext("learned"), {}, stage)
    (table,) = json.loads((stage / TABLES).read_text())["tables"]
    assert table["rows"][0]["change"] == "12.500%"
    assert read_vector_at(stage, paths) == (paths["tuned"], paths["base"])
    model_folders.flat(tmp_path / "tuned2", 7)
    (tmp_path / "tuned2" / "model.safetensors").replace(tmp_path / "tuned" / "model.safetensors")
    with pytest.raises(MergeError, match=r"expected the model of the vector, .*; make the vector again"):
        read_vector_at(stage, paths)


def read_vector_at(stage: Path, paths: dict[str, str]) -> tuple[str, str]:
    class Context(NodeContext):
        def table_folder(self, role: str) -> Path:
            return stage

    return read_vector("node:learned", "node1", Context("merged", tables={"node1": None}))  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected a recipe .recipe=recipe.yml., or models and method"),
        ({"method": "greedy_soup", "models": ["a", "b"]}, "expected dev with greedy_soup or scales"),
        ({"recipe": "r.yml", "dev": "sample"}, "and with nothing else, found dev sample"),
        ({"method": "uniform_soup", "models": ["a"], "recipe": "r.yml"}, "neither a recipe nor scales"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MergeConfig.model_validate(settings)


def test_what_is_no_soup() -> None:
    with pytest.raises(MergeError, match="expected two or more for uniform_soup, found 1"):
        MergeConfig(method="uniform_soup", models=("a",)).to_recipe()
    linear = {"merge_method": "linear", "models": [{"model": "a"}]}
    with pytest.raises(MergeError, match="scales: expected task vectors"):
        MergeConfig.model_validate({"recipe": linear, "scales": [1], "dev": "sample"}).to_recipe()
