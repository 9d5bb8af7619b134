"""Stores that upkeep is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.storage.store import Store
from tests.components.storage.upkeep.stores import open_empty_store


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, in a folder and as objects (the server of S3 takes ten times as long)."""
    return open_empty_store(request, tmp_path, monkeypatch)


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))
