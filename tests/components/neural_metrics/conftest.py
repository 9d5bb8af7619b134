from __future__ import annotations

from pathlib import Path

import pytest

from tests.components.neural_metrics.tiny import write_comet


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Published checkpoints by name."""
    root = tmp_path_factory.mktemp("metrics")
    return {name: write_comet(name, root / name) for name in ("comet", "cometkiwi", "xcomet")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions go to a cache of the test session."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path_factory.getbasetemp() / "metric-cache"))
