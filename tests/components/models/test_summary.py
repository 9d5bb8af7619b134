"""What is said of a checkpoint: by its own files, or by the list of packaged models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components.models.checkpoints import checkpoint_of
from components.models.conversion import whisper
from components.models.summary import summarize_checkpoint
from tests.components.models.whisper_binary import DIMS, tiny_whisper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    whisper.write_folder(tmp_path, tiny_whisper().state_dict(), DIMS, torch.float16, None)
    return tmp_path


def summarize(folder: Path, reference: str = "test") -> dict[str, str]:
    return summarize_checkpoint(checkpoint_of(folder, reference))


def test_the_card_states_the_licence(folder: Path) -> None:
    assert summarize(folder)["licence"] == "not stated: ask its publisher"
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: no\n")
    assert summarize(folder)["licence"] == "apache-2.0"


def test_the_list_of_packaged_models_states_licence_and_languages(folder: Path) -> None:
    facts = summarize(folder, "packaged:whisper-base")
    assert facts["licence"].startswith("MIT")
    (folder / "README.md").write_text("license: apache-2.0\n")
    assert summarize(folder, "packaged:whisper-base")["licence"] == facts["licence"]


def test_languages_are_those_of_the_generation_config(folder: Path) -> None:
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    settings.pop("lang_to_id", None)
    path.write_text(json.dumps(settings))
    assert summarize(folder)["languages"] == "not stated"
    path.write_text(json.dumps({**settings, "lang_to_id": {"<|en|>": 2, "<|de|>": 1}}))
    assert summarize(folder)["languages"] == "de en"


def test_weights_are_counted_with_their_type(folder: Path) -> None:
    n = sum(weight.numel() for weight in tiny_whisper().state_dict().values())
    assert summarize(folder)["parameters"].split() == [f"{n:,}", "(F16)"]
