"""Looking costs nothing: where fetching is forbidden, a model that is not here is named with its size."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.models import resolve
from components.models.fetch_permission import NotHereError, forbid_fetching


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("packaged:qwen2.5-coder-1.5b", "packaged:qwen2.5-coder-1.5b: to be fetched, 3.57 GB"),
        ("whisper:large-v3", "whisper:large-v3: to be fetched"),
        ("hub:nobody/nothing-at-all", "hub:nobody/nothing-at-all: to be fetched"),
    ],
)
def test_what_is_not_here_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reference: str, line: str
) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with forbid_fetching(), pytest.raises(NotHereError) as fault:
        resolve(reference, on_progress=lambda line: pytest.fail(line))
    assert str(fault.value) == line
    assert not list(tmp_path.rglob("*.whl"))
