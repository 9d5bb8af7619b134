"""The settings that a training's folder keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.experts.config import ExpertsConfig
from components.training.config import TrainingConfig
from components.training.loop.training_folder import claim_folder


@pytest.mark.parametrize(
    ("config", "setting", "changed"),
    [
        (TrainingConfig(), "num_microbatches", 2),
        (ExpertsConfig(), "num_microbatches", 2),
        (ExpertsConfig(), "decoder_routing", "none"),
    ],
)
def test_a_folder_goes_on_under_its_own_settings_alone(
    config: TrainingConfig, setting: str, changed: object, tmp_path: Path
) -> None:
    claim_folder(tmp_path / "out", config)
    claim_folder(tmp_path / "out", config)
    with pytest.raises(ConfigError, match=f"expected a run with {setting} .*, found {changed!r}"):
        claim_folder(tmp_path / "out", config.model_copy(update={setting: changed}))
