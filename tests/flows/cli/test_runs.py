from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.storage.store import Store
from flows.cli.main import main
from tests.components.storage.test_store import claim, record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs that ended, one that did not, and one whose record was altered; without their stages."""
    store = Store(str(tmp_path / "store"))
    for day, name in enumerate(("old", "middle", "new"), 1):
        store.save_run(record(name, started=f"2026-01-0{day}T00:00:00+00:00"))
    claim(store, "begun")
    path = store.save_run(record("altered")) / "run.json"
    path.write_bytes(path.read_bytes().replace(b"5.5", b"4.5"))
    return store


def listed(store: Store, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    with pytest.raises(SystemExit) as ending:
        main(["runs", "--store", str(store.root), *more])
    assert ending.value.code == 0
    return capsys.readouterr().out


def test_runs_are_listed_newest_first(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    runs = json.loads(listed(store, capsys, "--json"))["runs"]
    assert {run["name"]: run["status"] for run in runs[:2]} == {"begun": "unfinished", "altered": "damaged"}
    assert [run["name"] for run in runs[2:]] == ["new", "middle", "old"]
    assert runs[2] == {
        "name": "new",
        "flow": "cascade",
        "status": "completed",
        "started": "2026-01-03T00:00:00+00:00",
        "finished": "2026-01-01T00:01:00+00:00",
        "metrics": {"wer": 5.5},
    }


def test_a_table_says_what_it_leaves_out(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with store.claim_run("cascade", "working"):
        table = listed(store, capsys, "--limit", "4")
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    assert "running" in rows["working"]
    assert rows["new"].split() == ["new", "cascade", "completed", "2026-01-03", "00:00", "WER", "5.5"]
    assert "middle" not in rows
    assert "4 of 6 runs; --limit 6 lists all" in table


def test_a_store_without_runs_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Store(str(tmp_path / "none")), capsys) == f"no runs in {tmp_path}/none yet\n"
    assert not any(tmp_path.iterdir())
