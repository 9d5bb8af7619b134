"""Staging folders: what is left of a killed process goes, and a failure leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from components.models.staging import staging_folder


def test_a_renamed_folder_stays_and_leftovers_of_the_same_target_go(tmp_path: Path) -> None:
    target = tmp_path / "model"
    leftover, other = tmp_path / ".model.partial-x", tmp_path / ".model2.partial-x"
    for folder in (leftover, other):
        folder.mkdir()
    with staging_folder(target) as staging:
        assert staging.parent == tmp_path and not leftover.exists() and other.exists()
        (staging / "config.json").write_text("{}")
        staging.rename(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "model"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), staging_folder(tmp_path / "model") as staging:
        (staging / "config.json").write_text("{}")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
