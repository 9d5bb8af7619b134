"""Verification of a store, its repair, and what its bytes belong to."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from components.errors import StoreError
from components.files.canonical_json import add_digest, verify_digest
from components.run_record import StageRef
from components.storage.runs.report_files import seal_report
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import read_shards
from components.storage.stages.seal import SEAL
from components.storage.stages.stage_writer import open_stage
from components.storage.store import Store
from components.storage.upkeep.usage import measure_usage
from components.storage.upkeep.verification import set_stage_aside, verify_store
from tests.components.storage.upkeep.stores import forget_own_uses, save_run, write_data, write_stage


def test_an_intact_store_has_no_faults(store: Store) -> None:
    data = write_data(store)
    save_run(store, "mine", [data, write_stage(store, "mt", data)])
    write_stage(store, "other")
    seen: list[tuple[int, int]] = []
    verification = verify_store(store, on_stage=lambda done, total: seen.append((done, total)))
    assert verification == (3, 1, 0, ())
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert verify_store(store, "mine").stages == 2
    with pytest.raises(StoreError, match="no run 'none'"):
        verify_store(store, "none")


@pytest.mark.parametrize("file", ["shards", SEAL])
def test_every_changed_file_is_found_and_repaired(store: Store, file: str) -> None:
    """Also on an object store whose copy here is intact."""
    ref = write_stage(store, "mt")
    save_run(store, "mine", [ref])
    (shard,) = read_shards(store.localize(ref))
    name = shard_name(shard.key) if file == "shards" else f"stages/{ref.key}/{SEAL}"
    content = store.backend.files.read(name) or b""
    store.backend.files.write(name, content[:-3] + b"x" + content[-2:] if content else b"x")
    (fault,) = verify_store(store).faults
    assert (fault.key, fault.runs) == (ref.key, ("mine",))
    assert file in fault.detail
    set_stage_aside(store, ref.key)
    assert not write_stage(store, "mt").reused
    assert verify_store(store, "mine").faults == ()


def test_a_lost_file_and_a_lost_stage(store: Store) -> None:
    ref, gone = write_stage(store, "mt"), write_stage(store, "asr", seed=1)
    save_run(store, "mine", [ref, gone])
    (shard,) = read_shards(store.localize(ref))
    store.backend.files.remove(shard_name(shard.key))
    store.backend.files.discard(f"stages/{gone.key}")
    faults = {fault.what: fault.detail for fault in verify_store(store).faults}
    assert ".jsonl: expected a shard of a finished stage, found none" in faults[f"stage {ref.key[:12]}…"]
    assert f"stage asr ({gone.key[:12]}…): expected it, found none" in faults["run mine"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", b"{}\n", "run.json"),
        ("metrics.json", b"{}\n", "metrics.json"),
        ("run.json", b'{"format": 1,', "run.json: expected the record of a run"),
        ("metrics.json", b'{"format": 1,', "metrics"),
    ],
)
def test_a_record_that_is_changed_or_cut_off_is_found(
    store: Store, file: str, content: bytes, message: str
) -> None:
    save_run(store, "mine", [write_stage(store, "mt")])
    store.backend.files.write(f"runs/mine/{file}", content)
    (fault,) = verify_store(store).faults
    assert (fault.what, fault.key) == ("run mine", None)
    assert message in fault.detail


@pytest.mark.parametrize("file", ["report.html", "plots/a.svg", "texts/a.de.txt", "report-files.json"])
@pytest.mark.parametrize("change", ["changed", "gone"])
def test_a_changed_report_is_found(store: Store, file: str, change: str) -> None:
    """The texts that people take, too."""
    save_run(store, "mine", [write_stage(store, "mt")])
    folder = store.run_folder("mine")
    for name in ("report.html", "plots/a.svg", "texts/a.de.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    seal_report(folder)
    store.backend.upload_run("mine")
    assert verify_store(store).faults == ()
    if change == "changed":
        store.backend.files.write(f"runs/mine/{file}", b'{"files": {}}')
    else:
        store.backend.files.remove(f"runs/mine/{file}")
    faults = verify_store(store).faults
    if (file, change) == ("report-files.json", "gone"):  # it cannot be told from a report that is being made
        assert faults == ()
    else:
        assert [fault.what for fault in faults] == ["run mine"]
        assert faults[0].detail.startswith(f"{file}: expected ")
        assert faults[0].detail.endswith("; antiphon report mine")


def test_outputs_that_are_others_than_the_record_says(store: Store) -> None:
    ref = write_stage(store, "mt")
    save_run(store, "mine", [ref.model_copy(update={"sha256": "0" * 64})])
    (fault,) = verify_store(store).faults
    assert "was computed anew since" in fault.detail


def test_a_stage_in_the_folder_of_another_is_found(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ref = write_stage(store, "mt")
    store.stage_folder(ref.key).rename(store.stage_folder("a" * 64))
    (fault,) = verify_store(store).faults
    assert "expected the seal of aaaaaaaaaaaa…, found another's" in fault.detail


def test_what_has_not_finished_is_no_fault(store: Store) -> None:
    with store.claim_run("cascade", "begun"):
        assert verify_store(store) == (0, 1, 0, ())
    plan = store.load_plan(write_stage(store, "a").key)
    with suppress(KeyboardInterrupt), open_stage(store, plan.model_copy(update={"seed": 5})):
        raise KeyboardInterrupt
    assert verify_store(store).faults == ()


def test_every_byte_belongs_to_something(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    data = write_data(store)
    first, second = write_stage(store, "mt", data), write_stage(store, "mt", data, seed=1)
    free = write_stage(store, "asr", kind="recognize")
    save_run(store, "one", [data, first])
    save_run(store, "two", [data, second])
    (store.stages / f"{'a' * 64}.damaged-x").write_bytes(b"12345")
    (store.root / "audio").mkdir()
    (store.root / "audio" / "x").write_bytes(b"123")

    def size(ref: StageRef) -> int:
        paths = [*store.stage_folder(ref.key).iterdir()]
        paths += [store.root / shard_name(shard.key) for shard in read_shards(ref)]
        return sum(path.stat().st_size for path in paths)

    assert measure_usage(store).at_work == size(free)  # this process's
    forget_own_uses()
    with store.claim_run("pipeline", "interrupted"):
        begun = write_stage(store, "begun")
    forget_own_uses()
    begun_shards = [shard.key for shard in read_shards(begun)]
    shutil.rmtree(store.stage_folder(begun.key))  # of which one shard is finished
    usage = measure_usage(store)
    assert usage.at_work == sum((store.root / shard_name(key)).stat().st_size for key in begun_shards)
    assert {run.name: (run.own, run.shared) for run in usage.runs} == {
        "one": (size(first), size(data)),
        "two": (size(second), size(data)),
        "interrupted": (0, 0),
    }
    kinds = {kind.kind: (kind.stages, kind.bytes) for kind in usage.kinds}
    assert kinds["translate"] == (2, size(first) + size(second))
    assert kinds["data"] == (1, size(data))
    assert usage.unreferenced == (size(free), 1)
    assert (usage.leftovers, usage.audio) == (5, 3)
    layout = (store.root / "layout.json").stat().st_size
    files = sum(run.files for run in usage.runs)
    assert usage.bytes == usage.stages + files + usage.leftovers + usage.audio + usage.locks + layout
    (store.run_folder("two") / "run.json").write_text("{")
    assert measure_usage(store).unknown == ("two",)


@pytest.mark.parametrize("fields", [("plan",), ("shards", "sha256")])
def test_what_another_stage_has_under_a_seal_is_found(store: Store, fields: tuple[str, ...]) -> None:
    """Whoever writes the seal anew cannot give a stage another's settings or shards."""
    ref, other = write_stage(store, "mt"), write_stage(store, "mt", seed=1)
    files, folder = store.backend.files, f"stages/{ref.key}"
    others = verify_digest(files.read(f"stages/{other.key}/{SEAL}") or b"")
    seal = verify_digest(files.read(f"{folder}/{SEAL}") or b"") | {name: others[name] for name in fields}
    files.write(f"{folder}/{SEAL}", json.dumps(add_digest(seal)).encode())
    (fault,) = verify_store(store).faults
    expected = f"the seal of {ref.key[:12]}…, found another's" if "plan" in fields else "the shards that its"
    assert f"expected {expected}" in fault.detail


def test_a_recording_that_was_changed_is_found(store: Store) -> None:
    name = sha256(b"sound").hexdigest()
    store.backend.files.write(f"audio/{name}.wav", b"sound")
    assert verify_store(store).faults == ()
    store.backend.files.write(f"audio/{name}.wav", b"noise")
    (fault,) = verify_store(store).faults
    assert fault.what == f"audio/{name}.wav"
    assert "expected the recording that its name is the sha256 of" in fault.detail


def test_the_bytes_of_a_stage_with_a_damaged_seal_are_counted(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ref = write_stage(store, "mt")
    (store.stage_folder(ref.key) / SEAL).write_text("{")
    ((kind, n_stages),) = [(usage.kind, usage.stages) for usage in measure_usage(store).kinds]
    assert (kind, n_stages) == ("unknown", 1)
