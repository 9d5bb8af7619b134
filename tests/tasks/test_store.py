from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError, StoreError
from components.records import RunRecord, Score
from components.storage import local_root
from tasks.store import Store


def record(name: str) -> RunRecord:
    score = Score(name="wer", value=5.5, higher_is_better=False, n=9, n_total=10, signature="wer|x")
    return RunRecord(
        name=name,
        flow="cascade",
        status="completed",
        parameters={"limit": 3},
        stages=(),
        metrics={"wer": score},
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
    )


def test_local_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_root(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTIPHON_STORE", raising=False)
    assert local_root(None) == tmp_path / "antiphon-store"
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path / "elsewhere"))
    assert local_root(None) == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "", ".", "..", ".hidden", "x" * 101, "a\n", "a b", "ä", "a."]
)
def test_run_names_that_are_no_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="run name"):
        Store(str(tmp_path)).new_run("cascade", name)
    assert not any(tmp_path.iterdir())


def test_default_names_do_not_collide(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    names = {store.new_run("cascade").name for _ in range(3)}
    assert len(names) == 3
    assert all(name.split("-")[4] == "cascade" for name in names)


def test_runs_are_read_back(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.new_run("cascade", "mine")
    folder = store.save_run(record("mine"))
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "run.json"]
    assert store.load_run("mine") == record("mine")
    with pytest.raises(StoreError, match="the latest are: mine"):
        store.load_run("yours")
