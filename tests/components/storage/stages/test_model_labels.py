"""Models that are stages, named for people."""

from __future__ import annotations

from pathlib import Path

from components.storage.stages.model_labels import label_models
from components.storage.store import Store
from tests.components.storage.upkeep.stores import write_stage


def test_a_stage_has_its_kind_and_seed_and_a_lost_one_its_digits(tmp_path: Path) -> None:
    ref = write_stage(Store(str(tmp_path)), "train", seed=2)
    text = f"store:{ref.key} with store:{'0' * 64}, hub:a/b"
    assert (
        label_models(text, str(tmp_path)) == f"train of seed 2 ({ref.key[:8]}) with store:00000000…, hub:a/b"
    )
