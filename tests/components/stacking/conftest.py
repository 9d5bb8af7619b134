"""One tiny text model and one tiny Whisper for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components.stacking import tiny


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.text_model(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.whisper(tmp_path_factory.mktemp("whisper"))
