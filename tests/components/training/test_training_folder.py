"""The settings that a training's folder keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.experts.config import ExpertsConfig
from components.training.config import TrainingConfig
from components.training.training_folder import claim_folder


@pytest.mark.parametrize(
    ("config", "setting", "changed"),
    [
        (TrainingConfig(), "num_microbatches", 2),
        (ExpertsConfig(), "num_microbatches", 2),
        (ExpertsConfig(), "decoder_routing", "none"),
    ],
)
def test_a_folder_from_before_a_setting_goes_on_at_its_default(
    config: TrainingConfig, setting: str, changed: object, tmp_path: Path
) -> None:
    claim_folder(tmp_path / "out", config)
    assert setting not in json.loads((tmp_path / "out" / "settings.json").read_text())["settings"]
    claim_folder(tmp_path / "out", config)
    with pytest.raises(ConfigError, match=f"expected a run with {setting} .*, found {changed!r}"):
        claim_folder(tmp_path / "out", config.model_copy(update={setting: changed}))
