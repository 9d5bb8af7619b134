"""Merging as a node: what an interrupted merge left is removed, and doubts are logged and stored."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.merging.config import MergeConfig
from components.merging.kinds.merge import Merge
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
