"""Stacked models on disk, and what is not one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.errors import AntiphonError, ConfigError, ModelError
from components.models.checkpoints import checkpoint_of
from components.stacking.config import SpeechConfig
from components.stacking.model_folder import from_text_model, load_stacked, save_stacked
from tests.components.stacking import tiny


@pytest.mark.parametrize("kind", ["direct", "dual"])
def test_what_is_saved_is_what_is_loaded(text_folder: Path, tmp_path: Path, kind: str) -> None:
    ready = tiny.stacked(text_folder, kind, stack=3)  # type: ignore[arg-type]
    ready.model.text.final_logits_bias.normal_()
    save_stacked(ready, tmp_path)
    again = load_stacked(checkpoint_of(tmp_path, "saved"))
    assert (again.model.kind, again.model.stack, again.speech) == (kind, 3, ready.speech)
    ours, theirs = ready.model.state_dict(), again.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again.tokenizer.get_vocab() == ready.tokenizer.get_vocab()


def test_odd_folders_are_refused(text_folder: Path, whisper_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a stacked model"):
        load_stacked(checkpoint_of(text_folder, "text"))
    with pytest.raises(ConfigError, match="expected a MarianMTModel"):
        from_text_model(str(whisper_folder), "dual", SpeechConfig(), tiny.WIDTH, 1, None)
    save_stacked(tiny.stacked(text_folder), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["adapter.silence"][0] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"adapter\.silence is not finite"):
        load_stacked(checkpoint_of(tmp_path, "saved"))
    del tensors["adapter.silence"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(AntiphonError, match=r"adapter\.silence"):
        load_stacked(checkpoint_of(tmp_path, "saved"))
    settings = json.loads((tmp_path / "config.json").read_text())
    del settings["speech"]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="expected a stacked model's settings"):
        load_stacked(checkpoint_of(tmp_path, "saved"))
