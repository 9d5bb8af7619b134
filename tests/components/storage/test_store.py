"""Runs by name: their records, who may write them, and stores that cannot be."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, StoreError
from components.files.canonical_json import add_digest, verify_digest
from components.records import Quarantined
from components.run_record import RunRecord, Score
from components.storage.places.location import local_root
from components.storage.runs import run_records
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import read_shards
from components.storage.store import Store
from tests.components.storage.written import written


def record(name: str, **changes: object) -> RunRecord:
    score = Score(name="wer", value=5.5, higher_is_better=False, n=9, n_total=10, signature="wer|x")
    run = RunRecord(
        name=name,
        flow="cascade",
        status="completed",
        parameters={"limit": 3},
        stages=(),
        metrics={"wer": score},
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:01:00+00:00",
    )
    return run.model_copy(update=changes)


def refusal(name: str) -> Quarantined:
    return Quarantined(utterance_id=name, stage="asr", reason="r", detail="d")


def claim(store: Store, name: str | None = None, *, replace: bool = False) -> str:
    """Begin a run and end it without a record."""
    with store.claim_run("cascade", name, replace=replace) as folder:
        return folder.name


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
    with pytest.raises(ConfigError, match="run name"), Store(str(tmp_path)).claim_run("cascade", name):
        pass
    assert not any(tmp_path.iterdir())


def test_default_names_do_not_collide(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    names = {claim(store) for _ in range(3)}
    assert len(names) == 3
    assert all(name.split("-")[4] == "cascade" for name in names)


def test_runs_are_read_back(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    folder = store.save_run(record("mine"))
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "run.json"]
    assert store.load_run("mine") == record("mine")
    store.save_run(record("a-later-one"))
    os.utime(folder / "run.json", (1, 1))
    with pytest.raises(StoreError, match=r"the latest are: mine, a-later-one$"):
        store.load_run("yours")


def test_a_moved_store_is_read_where_it_is(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "one"))
    ref = written(store, "mt", [refusal("a")])
    store.save_run(record("mine", stages=(ref,)))
    assert str(tmp_path) not in (store.run_folder("mine") / "run.json").read_text()
    (tmp_path / "one").rename(tmp_path / "two")
    moved = Store(str(tmp_path / "two"))
    (result,) = moved.load_run("mine").stages
    assert result == ref.model_copy(update={"path": str(moved.stage_folder(ref.key))})


def test_a_damaged_stage_is_one_line_for_whoever_reads_the_run(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ref = written(store, "mt", [refusal("a")])
    store.save_run(record("mine", stages=(ref,)))
    (shard,) = read_shards(ref)
    (store.root / shard_name(shard.key)).write_text("x")
    with pytest.raises(StoreError, match=r"^stage mt .* is damaged: .*repeat the run that computed it$"):
        store.load_run("mine")


@pytest.mark.parametrize(
    ("file", "changes", "fault"),
    [
        ("run.json", {"started": "2027"}, "match the digest that it states, so it was changed or damaged"),
        ("run.json", {"digest": None}, "it states no digest of itself"),
        ("run.json", {"format": 3}, "expected format 2, found 3, of another version of Antiphon"),
        ("metrics.json", {"wer": None}, "expected the metrics of run.json, found others"),
        ("run.json", None, "found: .*"),
        ("metrics.json", None, "found: .*"),
    ],
)
def test_a_record_that_was_altered_or_is_torn_is_one_line(
    tmp_path: Path, file: str, changes: dict[str, object] | None, fault: str
) -> None:
    store = Store(str(tmp_path))
    path = store.save_run(record("mine")) / file
    path.write_text("{" if changes is None else json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(StoreError, match=f"{file}.* .*{fault}; run it again"):
        store.load_run("mine")


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_record_that_is_replaced_while_it_is_read_is_one_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    store = Store(str(tmp_path))
    old, new = record("mine"), record("mine", metrics={})
    store.save_run(old)
    read_json = run_records.read_json

    def replace_and_read(path: Path) -> dict[str, Any]:
        monkeypatch.setattr(run_records, "read_json", read_json)
        if is_begun:
            path.unlink()
        else:
            store.save_run(new)
        return read_json(path)

    monkeypatch.setattr(run_records, "read_json", replace_and_read)
    assert store.load_run("mine") == (old if is_begun else new)


def test_a_record_whose_stage_has_no_key_is_one_line(tmp_path: Path) -> None:
    """A key is a folder's name: it does not lead elsewhere."""
    store = Store(str(tmp_path))
    ref = written(store, "asr", [refusal("a")])
    store.save_run(record("mine", stages=(ref,)))
    path = store.run_folder("mine") / "run.json"
    values = verify_digest(path.read_bytes())
    values["stages"][0]["key"] = "../../elsewhere"
    path.write_text(json.dumps(add_digest(values)))
    with pytest.raises(StoreError, match=r"found: '../../elsewhere' is no key of a stage; run it again"):
        store.load_run("mine")


def test_names_of_a_second_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, names = Store(str(tmp_path)), list[str]()
    monkeypatch.setattr(store.backend, "claim_run", names.append)
    with pytest.raises(StoreError, match=r"a thousand runs named 20.*-cascade in .*; give this one a name"):
        claim(store)
    assert len(set(names)) == 999


def test_a_record_with_a_field_that_is_not_known_is_one_line(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    path = store.save_run(record("mine")) / "run.json"
    values = verify_digest(path.read_bytes()) | {"mood": "good"}
    path.write_text(json.dumps(add_digest(values)))
    with pytest.raises(StoreError, match=r"run.json: expected the record of a run, found: .*mood") as caught:
        store.load_run("mine")
    assert "\n" not in str(caught.value)


def test_a_finished_run_is_replaced_only_on_demand_and_by_a_finished_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.save_run(record("mine"))
    with pytest.raises(ConfigError, match=r"found 'mine' .*; take another, or --replace it"):
        claim(store, "mine")
    assert claim(store, "mine", replace=True) == "mine"
    store.save_run(record("mine", status="failed", notes=("the second",)))
    assert store.load_run("mine") == record("mine")
    assert b"the second" in (store.run_folder("mine") / "failed.json").read_bytes()
    third = record("mine", status="completed with quarantine")
    store.save_run(third)
    assert store.load_run("mine") == third
    assert not (store.run_folder("mine") / "failed.json").exists()


def test_a_run_killed_between_its_two_last_files_is_completed_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path))
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("components.storage.runs.run_records.write_json", interrupt)
        store.save_run(record("mine"))
    assert store.load_run("mine").completed
    assert claim(store, "mine") == "mine"
    assert (store.save_run(record("mine")) / "metrics.json").exists()
    with pytest.raises(ConfigError, match="--replace"):
        claim(store, "mine")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_record_is_not_replaced_unasked(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    (store.save_run(record("mine")) / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="--replace"):
        claim(store, "mine")


def test_a_failed_run_is_taken_up_again_under_its_name(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.save_run(record("mine", status="failed"))
    assert claim(store, "mine") == "mine"
    store.save_run(record("mine"))
    assert store.load_run("mine").completed


def test_one_run_at_a_time_has_a_name(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with store.claim_run("cascade", "mine"):
        with pytest.raises(StoreError, match=r"run mine is being written by process \d+ .* another name"):
            claim(Store(str(tmp_path)), "mine", replace=True)
        with pytest.raises(StoreError, match=rf"^run mine has not finished: process {os.getpid()} on .*wait"):
            store.load_run("mine")
    with pytest.raises(StoreError, match="run mine has not finished: it was interrupted"):
        store.load_run("mine")
    assert claim(store, "mine") == "mine"


def test_stores_that_cannot_be_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for url, fault in {
        str(tmp_path / "file"): "expected a folder, found a file",
        f"file://{tmp_path}/file": "expected a folder, found a file",
        "reference://x": "expected a path, s3://bucket/folder",
        "nonsense://x": "expected a path, s3://bucket/folder",
        "simplecache::memory://x": "expected one URL",
    }.items():
        with pytest.raises(ConfigError, match=f"^store: {fault}"):
            Store(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:SECRET@bucket/x",
        "s3://AKIA:SEC/RET@bucket/x",
        "s3://b/x?secret=SECRET",
        "s3://b/x?SECRET",
        "simplecache::s3://u:SECRET@b",
        "sftp://u:SECRET@host/x",
        "reference://u:SECRET@x",
        "file://u:SECRET@host/x",
    ],
)
def test_credentials_in_the_url_of_a_store_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="without credentials") as caught:
        local_root(url)
    assert "SECRET" not in str(caught.value)
    assert "RET@" not in str(caught.value)


def test_a_store_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(
        StoreError, match=r"^store: expected a folder that can be made, found that /proc/store"
    ):
        claim(Store("/proc/store"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_store_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As root, to whom everything is permitted, the system is asked to refuse."""

    def refuse(path: Path, *rest: object, **named: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    expected = f"(cannot|no space left to) write (run|layout.json) .*{os.strerror(code)}"
    with pytest.raises(StoreError, match=expected):
        claim(Store(str(tmp_path)), "mine")
    with pytest.raises(StoreError, match=expected):
        claim(Store(str(tmp_path)))
    with pytest.raises(StoreError, match=expected):
        written(Store(str(tmp_path)), "mt")


def test_a_record_that_compares_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """One that came with an imported run was shown: `system a: run ../../../../etc`."""
    store = Store(str(tmp_path))
    for name in ("../../../../etc", "/etc", "a/b", ".hidden", "ends.", "x" * 101, "a\n"):
        store.save_run(record("mine", systems={"a": name}))
        with pytest.raises(StoreError, match=r"expected the record of a run, found: .*systems"):
            store.load_run("mine")
    store.save_run(record("mine", systems={"a": "beam-5_b.2"}))
    assert store.load_run("mine").systems == {"a": "beam-5_b.2"}
