"""A store on object storage: machines with a copy each keep the same keys and bytes as a folder does.

A machine is a cache folder (ANTIPHON_CACHE) here. A whole flow with a killed worker is in tests/crash.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from components.storage.stages.record_files import ERRORS, OUTPUTS

from components.analysis.run_outputs import parameters_of
from components.errors import ConfigError, StoreError
from components.files.canonical_json import digest_of
from components.files.digests import sha256_of
from components.models import resolve
from components.run_record import NodeRecord, PipelineRecord
from components.storage.places import lease as leases
from components.storage.places import locks
from components.storage.places.object_store import ObjectStore
from components.storage.runs.run_listing import list_runs
from components.storage.stages.seal import Seal
from components.storage.stages.stage_writer import open_stage
from components.storage.store import Store
from tests.components.storage.stages.test_stage_writer import IDS, PLAN, SHARDS, content, record, run
from tests.components.storage.test_store import claim
from tests.components.storage.test_store import record as run_record
from tests.reports.page.test_report_view import stage

DONE = f"stages/{PLAN.key}/DONE.json"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(leases.VARIABLE, "1")
    monkeypatch.setenv(locks.VARIABLE, "0")
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Callable[[str], Store]:
    """The store as it is seen from the machine of that name."""

    def seen(machine: str) -> Store:
        monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / machine))
        return Store(url)

    return seen


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ref = run(Store(str(tmp_path_factory.mktemp("local"))))
    assert ref is not None
    return Path(ref.path)


def killed(store: Store, shards: int) -> None:
    """Keep some shards and die: no lease is released, no lock is told."""
    with pytest.raises(KeyboardInterrupt), open_stage(store, PLAN) as writer:
        for good, bad in SHARDS[writer.shards_done : shards]:
            writer.append([record(x) for x in good], [record(x) for x in bad], seconds=1.0, peak=7)
        writer._backend._leases[PLAN.key]._lost = "its process was killed"  # type: ignore[attr-defined]
        raise KeyboardInterrupt


def test_the_same_bytes_as_in_a_folder(on: Callable[[str], Store], url: str, local: Path) -> None:
    ref = run(on("one"))
    assert ref is not None
    assert (ref.key, ref.reused) == (PLAN.key, False)
    objects = ObjectStore(url)
    names = [name.rpartition("/")[2] for name in objects.list_names(f"stages/{PLAN.key}")]
    assert names == ["DONE.json", ERRORS, OUTPUTS, "plan.json"]  # the shards have served
    for name, expected in {**content(local), "plan.json": (local / "plan.json").read_bytes()}.items():
        assert objects.read(f"stages/{PLAN.key}/{name}") == expected
    again = run(on("two"))
    assert again is not None
    assert again.reused
    assert Path(again.path) != Path(ref.path)
    assert content(Path(again.path)) == content(local)


def test_another_machine_goes_on_after_the_last_complete_shard(
    on: Callable[[str], Store], local: Path
) -> None:
    killed(on("one"), 2)
    with open_stage(on("two"), PLAN) as writer:
        assert (writer.shards_done, writer.seconds) == (2, 2.0)
    ref = run(on("two"))
    assert ref is not None
    assert content(Path(ref.path)) == content(local)


def test_the_same_machine_need_not_wait_for_the_lease(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(leases.VARIABLE, "3600")
    killed(on("one"), 3)
    with open_stage(on("one"), PLAN) as writer:
        assert writer.shards_done == 3


def test_a_torn_shard_is_computed_again(on: Callable[[str], Store], url: str, local: Path) -> None:
    killed(on("one"), 3)
    name = f"stages/{PLAN.key}/shards/0001.jsonl"
    ObjectStore(url).write(name, (ObjectStore(url).read(name) or b"")[:-4])
    with open_stage(on("two"), PLAN) as writer:
        assert writer.shards_done == 1
    ref = run(on("two"))
    assert ref is not None
    assert content(Path(ref.path)) == content(local)


def test_the_second_machine_is_refused_and_told_who_writes(on: Callable[[str], Store]) -> None:
    with (
        open_stage(on("one"), PLAN),
        pytest.raises(StoreError, match=r"stage asr .* is being written by process \d+ on .* since 20"),
    ):
        run(on("two"))


def test_one_that_lost_its_lease_writes_nothing_more(on: Callable[[str], Store], url: str) -> None:
    slow = on("one")
    with open_stage(slow, PLAN) as writer:
        other = {"token": "x", "pid": 7, "host": "faster", "since": "now"}
        ObjectStore(url).write(f"locks/{PLAN.key}.json", json.dumps(other).encode())
        lease = slow.backend._leases[PLAN.key]  # type: ignore[attr-defined]
        lease._over.wait(1.0)  # a renewal is due every third of a second
        with pytest.raises(StoreError, match="its lease was lost: process 7 on faster"):
            writer.append([record("a")], [], seconds=1.0, peak=7)
    assert ObjectStore(url).list_names(f"stages/{PLAN.key}/shards") == []


def test_a_lease_that_cannot_be_renewed_is_lost(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_stage(on("one"), PLAN) as writer:
        lease = writer._backend._leases[PLAN.key]  # type: ignore[attr-defined]
        monkeypatch.setattr(lease, "_renewed", lease._renewed - 10)
        with pytest.raises(StoreError, match="it could not be renewed for 1 s"):
            lease.check()
        lease._lost = None


def test_a_damaged_object_is_computed_again(
    on: Callable[[str], Store], url: str, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(on("one"))
    ObjectStore(url).write(f"stages/{PLAN.key}/{OUTPUTS}", b"other")
    ref = run(on("two"))
    assert ref is not None
    assert not ref.reused
    assert "outputs.jsonl: expected sha256" in caplog.text
    again = run(on("three"))
    assert again is not None
    assert again.reused
    assert content(Path(again.path)) == content(local)


def test_a_damaged_copy_is_brought_again(on: Callable[[str], Store], local: Path) -> None:
    ref = run(on("one"))
    assert ref is not None
    (Path(ref.path) / OUTPUTS).write_bytes(b"other")
    again = run(on("one"))
    assert again is not None
    assert again.reused
    assert content(Path(again.path)) == content(local)


def test_a_stage_that_was_removed_there_is_computed_again(on: Callable[[str], Store], url: str) -> None:
    run(on("one"))
    for name in ObjectStore(url).list_names("stages"):
        ObjectStore(url).remove(name)
    again = run(on("one"))
    assert again is not None
    assert not again.reused
    assert ObjectStore(url).read(DONE) is not None


@pytest.mark.parametrize("missing", [OUTPUTS, "plan.json"])
def test_a_missing_object_of_a_finished_stage_is_computed_again(
    on: Callable[[str], Store], url: str, local: Path, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(on("one"))
    assert first is not None
    ObjectStore(url).remove(f"stages/{PLAN.key}/{missing}")
    with pytest.raises(StoreError, match=rf"^stage asr .* is damaged: {url}.*{missing}: expected a file"):
        on("two").localize(first)
    ref = run(on("two"))
    assert ref is not None
    assert not ref.reused
    assert f"{missing}: expected a file, found none" in caplog.text
    assert on("three").localize(first).sha256 == first.sha256


def test_a_shard_that_is_no_shard_is_computed_again(
    on: Callable[[str], Store], url: str, local: Path
) -> None:
    killed(on("one"), 3)
    ObjectStore(url).write(f"stages/{PLAN.key}/shards/0001.jsonl", b"{")
    ref = run(on("two"))
    assert ref is not None
    assert content(Path(ref.path)) == content(local)


@pytest.mark.parametrize("name", ["../../escaped", "/etc/escaped", "a/../../b", ""])
def test_a_seal_that_names_files_outside_is_refused(
    on: Callable[[str], Store], url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = {name: "0" * 64}
    whole = Seal.model_construct(
        stage="asr", key=PLAN.key, plan="0" * 64, files=files, sha256=digest_of(files), items=0,
        quarantined=0, seconds=0.0, peak_memory_bytes=0, finished="",
    )  # fmt: skip
    store = on("one")
    store.mark_layout()
    ObjectStore(url).write(DONE, whole.encode())
    assert store.find_stage(PLAN) is None
    assert "expected names of files inside the stage" in caplog.text


def test_a_model_of_the_store_is_found_from_another_machine(on: Callable[[str], Store], url: str) -> None:
    store = on("one")
    with open_stage(store, PLAN, records=False) as writer:
        model = writer.path / "model"
        model.mkdir()
        (model / "config.json").write_text('{"architectures": ["Tiny"]}')
        header = b'{"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}'
        weights = len(header).to_bytes(8, "little") + header + bytes(24)
        (model / "model.safetensors").write_bytes(weights)
        writer.seal(["model/config.json", "model/model.safetensors"], items=1)
    on("two")
    result = resolve(f"store:{PLAN.key[:12]}", url)
    assert "two" in result.path
    assert sha256_of(Path(result.path) / "model.safetensors") == sha256_of(model / "model.safetensors")
    with pytest.raises(StoreError, match=f"expected one stage in {url}/stages, found none"):
        resolve("store:" + "0" * 64, url)


def test_models_of_a_run_are_described_on_a_machine_that_has_no_copy(
    on: Callable[[str], Store], url: str, tmp_path: Path
) -> None:
    test_a_model_of_the_store_is_found_from_another_machine(on, url)
    used = stage(tmp_path, "mt", models={"model": f"store:{PLAN.key[:12]}"})
    graph = PipelineRecord(nodes=(NodeRecord(name="mt", kind="translate", output="text"),))
    run = run_record("r").model_copy(update={"stages": (used,), "pipeline": graph})
    assert parameters_of(run, on("three")) == 6


def test_runs_are_read_back_from_another_machine(on: Callable[[str], Store], url: str) -> None:
    store = on("one")
    ref = run(store)
    assert ref is not None
    with store.claim_run("cascade", "mine") as folder:
        (folder / "plots").mkdir()
        (folder / "plots" / "a.svg").write_text("<svg/>")
        with pytest.raises(StoreError, match="run mine has not finished: it was interrupted, or another"):
            on("two").load_run("mine")
        store.save_run(run_record("mine").model_copy(update={"stages": (ref,)}))
    assert ObjectStore(url).list_names("runs") == [
        f"runs/mine/{name}" for name in ("claimed.json", "metrics.json", "plots/a.svg", "run.json")
    ]
    loaded = on("two").load_run("mine")
    assert loaded.metrics == run_record("mine").metrics
    assert content(Path(loaded.stages[0].path)) == content(Path(ref.path))
    assert "two" in loaded.stages[0].path
    with pytest.raises(StoreError, match=f"no run 'yours' in {url}/runs; the latest are: mine"):
        on("two").load_run("yours")


def test_default_names_do_not_collide_between_machines(on: Callable[[str], Store]) -> None:
    assert len({claim(on(machine)) for machine in ("one", "two", "three")}) == 3


def test_a_finished_run_of_another_machine_is_replaced_only_on_demand(on: Callable[[str], Store]) -> None:
    on("one").save_run(run_record("mine"))
    with pytest.raises(ConfigError, match="take another, or --replace it"):
        claim(on("two"), "mine")
    assert claim(on("two"), "mine", replace=True) == "mine"


def test_a_run_that_another_machine_goes_on_with_has_its_texts(on: Callable[[str], Store], url: str) -> None:
    """What stands beside the record is written into the run's folder, which the first machine made."""
    with suppress(KeyboardInterrupt), on("one").claim_run("cascade", "mine"):
        raise KeyboardInterrupt
    store = on("two")
    with store.claim_run("cascade", "mine") as folder:
        (folder / "texts").mkdir()
        (folder / "texts" / "transcript.txt").write_text("A dog.")
        store.save_run(run_record("mine"))
    assert ObjectStore(url).read("runs/mine/texts/transcript.txt") == b"A dog."


def test_a_name_is_one_machines_at_a_time(on: Callable[[str], Store]) -> None:
    with (
        on("one").claim_run("cascade", "mine"),
        pytest.raises(StoreError, match=r"run mine is being written by process \d+ .* another name"),
    ):
        claim(on("two"), "mine")


def test_the_lease_time_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "0", "nan", "1e9"):
        monkeypatch.setenv(leases.VARIABLE, text)
        with pytest.raises(ConfigError, match="ANTIPHON_LEASE: expected seconds, at least 1"):
            leases.lease_seconds()
    monkeypatch.delenv(leases.VARIABLE)
    assert leases.lease_seconds() == 60.0


def test_ids(on: Callable[[str], Store]) -> None:
    """The partition is checked before anything is sealed."""
    killed(on("one"), 4)
    with open_stage(on("one"), PLAN) as writer, pytest.raises(StoreError, match="asr"):
        writer.finish(IDS + "h")
    assert on("two").find_stage(PLAN) is None


def test_a_stage_that_another_sealed_with_other_outputs_is_refused(
    on: Callable[[str], Store], url: str
) -> None:
    with (
        pytest.raises(StoreError, match=r"was sealed by another process; run the same command again"),
        open_stage(on("one"), PLAN) as writer,
    ):
        for good, bad in SHARDS:
            writer.append([record(x) for x in good], [record(x) for x in bad], seconds=1.0, peak=7)
        ObjectStore(url).write(DONE, b"{}")
        writer.finish(IDS)
    assert ObjectStore(url).read(DONE) == b"{}"


def test_what_a_killed_copy_left_is_removed(on: Callable[[str], Store], local: Path) -> None:
    first = run(on("one"))
    assert first is not None
    two = on("two")
    left = two.root / "stages" / f".{PLAN.key}.123.new"
    left.mkdir(parents=True)
    (left / OUTPUTS).write_bytes(b"half")
    folder = two.stage_folder(PLAN.key)
    folder.mkdir()
    (folder / "DONE.json").write_bytes(b"of another store")
    assert content(Path(two.localize(first).path)) == content(local)
    assert not left.exists()


def test_a_run_of_another_machine_has_no_time_here(on: Callable[[str], Store]) -> None:
    claim(on("one"), "begun")
    (entry,) = list_runs(on("two"))
    assert (entry.name, entry.status, entry.started) == ("begun", "unfinished", "")


def test_a_stale_model_is_made_from_nothing_that_is_left_of_it(on: Callable[[str], Store]) -> None:
    """What is made whole uses the files that it finds: those of other inputs are none of them."""
    for digest in "12":
        with open_stage(on("one"), PLAN, records=False, read_digests={"of": digest * 64}) as writer:
            assert writer.ref is None
            assert [path.name for path in writer.path.iterdir()] == ["plan.json"]
            (writer.path / "spoken.flac").write_text(digest)
            writer.seal(["spoken.flac"], items=1)


class _KilledError(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("writes", range(3))
def test_a_kill_leaves_no_scores_beside_another_record(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    before, after = run_record("mine"), run_record("mine", metrics={}, notes=("again",))
    on("one").save_run(before)
    left = iter(range(writes))

    def write(self: ObjectStore, name: str, content: bytes, real: Any = ObjectStore.write) -> None:
        if name.startswith("runs/mine") and next(left, None) is None:
            raise _KilledError
        real(self, name, content)

    with monkeypatch.context() as patched, suppress(_KilledError):
        patched.setattr(ObjectStore, "write", write)
        on("one").save_run(after)
    expected = after if writes else before
    assert on("one").load_run("mine") == on("two").load_run("mine") == expected


def test_a_list_of_runs_does_not_bring_back_the_one_that_is_replaced(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, after = on("one"), run_record("mine", notes=("again",))
    (store.save_run(run_record("mine")) / "report.html").write_text("<html>")

    def upload(self: ObjectStore, path: Path, name: str, real: Any = ObjectStore.upload) -> None:
        assert [entry.record for entry in list_runs(store)] == [run_record("mine")]
        real(self, path, name)

    monkeypatch.setattr(ObjectStore, "upload", upload)
    store.save_run(after)
    assert on("two").load_run("mine") == on("one").load_run("mine") == after


def test_a_failure_is_forgotten_when_the_run_completes(on: Callable[[str], Store], url: str) -> None:
    for status in ("completed", "failed", "completed"):
        on("one").save_run(run_record("mine", status=status))
        names = ["failed.json"] * (status == "failed") + ["metrics.json", "run.json"]
        assert ObjectStore(url).list_names("runs") == [f"runs/mine/{name}" for name in names]
