from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest

from components.errors import ConfigError, NotWritableError
from components.storage.store import Store
from components.storage.store_files import LocalFiles
from components.storage.upkeep.prune import Pruned
from flows.cli.help.amounts import format_size, parse_age, parse_date
from flows.cli.storage.store import _print_pruned
from tests.command import run_command
from tests.components.storage.upkeep.stores import age, forget_own_uses, keys_of, save_small_run, write_stage
from tests.components.storage.written import shard_paths
from tests.flows.cli.test_runs import called


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with two stages, and a stage that belongs to nobody, of long ago."""
    store = Store(str(tmp_path / "store"))
    save_small_run(store)
    write_stage(store, "mt", seed=9)
    age(store)
    return store


def test_usage(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "prefect"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    text = " ".join(called(store, capsys, "store", "usage").split())
    assert text.endswith(f"0 B Prefect's history of local runs: {home / 'prefect.db'}")
    home.mkdir()
    kept = Path(store.root) / "kept/talks/2026-12-02T02"
    kept.mkdir(parents=True)
    (kept / "kept-requests.jsonl").write_bytes(b"0" * 2000)
    (home / "prefect.db").write_bytes(b"0" * 1000)
    (home / "prefect.db-wal").write_bytes(b"0" * 500)
    forget_own_uses()
    text = called(store, capsys, "store", "usage")
    assert "1.5 kB  Prefect's history of local runs" in text
    assert "2 kB  requests kept by antiphon serve" in text
    assert "1 stage that no run refers to" in text
    assert [
        cells[:2] for cells in map(str.split, text.splitlines()) if cells[:1] in (["translate"], ["data"])
    ] == [["translate", "2"], ["data", "1"]]
    values = json.loads(called(store, capsys, "store", "usage", "--json"))
    assert values["unreferenced"]["stages"] == 1
    assert values["prefect_database"] == {"path": str(home / "prefect.db"), "bytes": 1500}
    assert values["runs"][0]["name"] == "mine"


def test_verify_and_repair(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run_command(capsys, "store", "verify", "--store", str(tmp_path / "mistyped"))
    assert (ended.code, ended.err.count("expected a store, found none")) == (2, 1)
    text = called(store, capsys, "store", "verify")
    assert text == "1 run and 3 stages verified, 0 stages unfinished, 0 damaged\n"
    data, mt = store.load_run("mine").stages
    key = mt.key
    shard_paths(store.stage_folder(key))[0].write_text("x")
    faults = json.loads(report_faults(store, capsys, "--json"))["faults"]
    assert [(fault["key"], fault["runs"]) for fault in faults] == [(key, ["mine"])]
    with store.backend.hold_local_lock(key, "x"):  # a process is at work on it: it is left, and shown
        assert report_faults(store, capsys, "mine", "--repair").endswith(", 1 damaged\n")
    assert "set aside, to be computed again" in report_faults(store, capsys, "mine", "--repair")
    assert "run mine: stage mt" in report_faults(store, capsys, "mine")
    assert not write_stage(store, "mt", data).reused
    assert "0 damaged" in called(store, capsys, "store", "verify")
    assert "did you mean mine?" in called(store, capsys, "store", "verify", "mime", code=2)


def report_faults(store: Store, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What `store verify` prints of a damaged store; it ends with 1."""
    ended = run_command(capsys, "store", "verify", *options, "--store", str(store.root))
    assert ended.code == 1
    return ended.out


def test_prune(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    forget_own_uses()
    dry = called(store, capsys, "store", "prune", "--dry-run")
    assert dry.startswith("would remove 1 stage, 0 runs and 0 leftover files")
    assert len(keys_of(store)) == 3
    assert "expected --yes where nobody can answer" in called(store, capsys, "store", "prune", code=2)
    assert called(store, capsys, "store", "prune", "--yes") == dry.replace("would remove", "removed")
    assert len(keys_of(store)) == 2
    text = called(store, capsys, "store", "prune", "--older-than", "1d", "--yes", "--grace", "0")
    assert text.startswith("removed run mine\nremoved 2 stages, 1 run ")
    assert "expected an age such as 30d" in called(
        store, capsys, "store", "prune", "--older-than", "old", code=2
    )
    assert json.loads(called(store, capsys, "store", "prune", "--json"))["stages"] == []


def test_prune_takes_the_locks_of_dead_processes_along(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stayed until the next writer where nothing else was to go."""
    called(store, capsys, "store", "prune", "--yes", "--grace", "0")
    folder = store.root / "locks"
    for name in ("a.lock", "a.holder", ".a.holder.9-ab.tmp", ".b.holder.9-ab.tmp"):
        (folder / name).touch()
    with store.backend.hold_local_lock("c", "x"):
        (folder / ".c.holder.9-ab.tmp").touch()
        assert called(store, capsys, "store", "prune", "--dry-run").startswith("would remove 0 stages")
        assert (folder / "a.lock").exists()
        called(store, capsys, "store", "prune")
        assert sorted(path.name for path in folder.iterdir()) == [".c.holder.9-ab.tmp", "c.holder", "c.lock"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC])
def test_prune_of_a_store_that_cannot_be_written_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It was a bare `[Errno 28]`. As root, to whom all is permitted, the system is asked to refuse."""
    forget_own_uses()

    def refuse(self: object, folder: str) -> None:
        raise OSError(code, os.strerror(code), folder)

    monkeypatch.setattr(LocalFiles, "discard", refuse)
    ended = run_command(capsys, "store", "prune", "--yes", "--store", str(store.root))
    assert ended.code == 1
    (line,) = ended.err.splitlines()
    assert re.match(rf"antiphon: (cannot|no space left to) write .*\({os.strerror(code)}\); ", line)


def test_the_report_of_a_read_only_store_is_named(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, name: str) -> None:
        raise NotWritableError("cannot write run mine")

    monkeypatch.setattr(Store, "lock_recorded_run", refuse)
    command = ["report", "mine", "--store", str(store.root)]
    ended = run_command(capsys, *command)
    assert ended.code == 1
    page = store.run_folder("mine") / "report.html"
    page.write_text("as it was")
    capsys.readouterr()
    ended = run_command(capsys, *command)
    assert ended.code == 0
    assert ended.out == f"{page}\n"
    assert ended.err == "antiphon: cannot write run mine; this is the report as the run wrote it\n"


def test_recent_stages_are_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    write_stage(store, "mt", seed=10)
    forget_own_uses()
    text = called(store, capsys, "store", "prune", "--dry-run")
    assert "left 1 stage that no run refers to, changed within 1h (--grace 0)" in text


def test_ages_dates_and_sizes() -> None:
    assert [parse_age(text, "x") for text in ("30d", "1.5h", "90m", "2w", "5s", "0")] == [
        2_592_000.0, 5400.0, 5400.0, 1_209_600.0, 5.0, 0.0
    ]  # fmt: skip
    for text in ("30", "d", "-1d", "1y", ""):
        with pytest.raises(ConfigError, match="expected an age"):
            parse_age(text, "x")
    assert parse_date("2026-11-01", "x") == "2026-11-01T00:00:00+00:00"
    assert parse_date("2026-11-01T02:00+02:00", "x") == "2026-11-01T00:00:00+00:00"
    sizes = (0, 999, 1234, 999_499, 999_500, 5e6, 290_403_936, 3.1e9, 7.25e12)
    assert [format_size(size) for size in sizes] == [
        *("0 B", "999 B", "1.23 kB", "999 kB", "1 MB", "5 MB", "290 MB", "3.1 GB", "7.25 TB")
    ]


def test_a_damaged_record_and_stages_that_came_into_use_are_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.run_folder("mine") / "run.json"
    path.write_bytes(path.read_bytes().replace(b"5.5", b"4.5"))
    text = called(store, capsys, "store", "usage")
    assert "run mine: its record is damaged; what it refers to is not known" in " ".join(text.split())
    _print_pruned(Pruned(stages=("a",), runs=(), files=(), bytes=5, in_use=("b", "c")), "removed", "1h")
    assert capsys.readouterr().out.splitlines() == [
        "removed 1 stage, 0 runs and 0 leftover files, 5 B",
        "left 2 stages that came into use meanwhile",
    ]
