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

from components.analysis.run_outputs import parameters_of
from components.compute.profiling import Cost
from components.errors import ConfigError, StoreError
from components.files.canonical_json import digest_of
from components.files.digests import sha256_of
from components.models import resolve
from components.run_record import NodeRecord, PipelineRecord
from components.storage.places import lease as leases
from components.storage.places import locks
from components.storage.places.object_store import ObjectStore
from components.storage.runs.run_listing import list_runs
from components.storage.shards.shard import name_of
from components.storage.stages.seal import SEAL, Seal
from components.storage.stages.stage_writer import finish_stage, open_stage
from components.storage.store import Store
from tests.components.storage.stages.test_stage_writer import BYTES, NODE, PLAN, SHARDS, content, make, run
from tests.components.storage.test_store import claim
from tests.components.storage.test_store import record as run_record
from tests.reports.page.test_report_view import stage

DONE = f"stages/{PLAN.key}/{SEAL}"
SHARD = name_of(SHARDS[1][0].key)


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


def forget_lease(store: Store) -> None:
    """Die in a stage that is made whole: no lease is released, no lock is told."""
    with pytest.raises(KeyboardInterrupt), open_stage(store, NODE) as writer:
        (writer.path / "half").write_text("begun")
        store.backend._leases[NODE.key]._lost = "its process was killed"  # type: ignore[attr-defined]
        raise KeyboardInterrupt


def test_the_same_bytes_as_in_a_folder(on: Callable[[str], Store], url: str) -> None:
    ref = run(on("one"))
    assert (ref.key, ref.reused) == (PLAN.key, False)
    objects = ObjectStore(url)
    assert objects.list_names("stages") == [DONE]
    assert objects.list_names("shards") == sorted(name_of(header.key) for header, _ in SHARDS)
    assert [objects.read(name_of(header.key)) for header, _ in SHARDS] == BYTES
    again = run(on("two"))
    assert again.reused
    assert Path(again.path) != Path(ref.path)
    assert content(again) == BYTES


def test_another_machine_finds_the_shards_that_are_complete(on: Callable[[str], Store]) -> None:
    """Of two machines that compute one, that of the first counts, and both are told its header."""
    one, two = on("one"), on("two")
    header, stored = SHARDS[0]
    assert one.add_shard(header, stored) == header
    other = header.model_copy(update={"seconds": 9.0})
    assert two.add_shard(other, b"of another") == header
    assert two.find_shard(header.key) == one.find_shard(header.key) == header
    keys = [each.key for each, _ in SHARDS]
    assert two.backend.find_shards(keys) == {header.key}


def test_the_same_machine_need_not_wait_for_the_lease(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(leases.VARIABLE, "3600")
    forget_lease(on("one"))
    with open_stage(on("one"), NODE) as writer:
        assert (writer.path / "half").exists()


def test_a_shard_that_was_removed_there_is_stored_again_from_the_copy_here(
    on: Callable[[str], Store], url: str
) -> None:
    """As by a prune of another machine: a stage that this one finishes is to be whole for all."""
    run(on("one"))
    ObjectStore(url).remove(SHARD)
    assert on("one").find_shard(SHARDS[1][0].key) == SHARDS[1][0]
    assert ObjectStore(url).read(SHARD) == BYTES[1]


@pytest.mark.parametrize("damage", [lambda content: content[:-4], lambda content: b"{", lambda content: None])
def test_a_shard_that_is_torn_or_gone_is_computed_again(
    on: Callable[[str], Store],
    url: str,
    damage: Callable[[bytes], bytes | None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    run(on("one"))
    left = damage(BYTES[1])
    ObjectStore(url).remove(SHARD) if left is None else ObjectStore(url).write(SHARD, left)
    first = run(on("two"))
    assert not first.reused
    assert "is damaged and will be computed again" in caplog.text
    assert ObjectStore(url).read(SHARD) == BYTES[1]
    again = run(on("three"))
    assert again.reused
    assert content(again) == BYTES


def test_the_second_machine_is_refused_and_told_who_writes(on: Callable[[str], Store]) -> None:
    with (
        open_stage(on("one"), NODE),
        pytest.raises(StoreError, match=r"stage asr .* is being written by process \d+ on .* since 20"),
    ):
        make(on("two"))


def test_one_that_lost_its_lease_finishes_nothing(on: Callable[[str], Store], url: str) -> None:
    slow = on("one")
    with open_stage(slow, NODE) as writer:
        other = {"token": "x", "pid": 7, "host": "faster", "since": "now"}
        ObjectStore(url).write(f"locks/{NODE.key}.json", json.dumps(other).encode())
        lease = slow.backend._leases[NODE.key]  # type: ignore[attr-defined]
        lease._over.wait(1.0)  # a renewal is due every third of a second
        with pytest.raises(StoreError, match="its lease was lost: process 7 on faster"):
            writer.seal([], Cost(), items=1)
    assert ObjectStore(url).list_names("stages") == []


def test_a_lease_that_cannot_be_renewed_is_lost(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = on("one")
    with open_stage(store, NODE):
        lease = store.backend._leases[NODE.key]  # type: ignore[attr-defined]
        monkeypatch.setattr(lease, "_renewed", lease._renewed - 10)
        with pytest.raises(StoreError, match="it could not be renewed for 1 s"):
            lease.check()
        lease._lost = None


def test_a_damaged_object_is_made_again(
    on: Callable[[str], Store], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = make(on("one"))
    ObjectStore(url).write(f"stages/{NODE.key}/model.safetensors", b"other")
    assert not make(on("two")).reused
    assert "model.safetensors: expected sha256" in caplog.text
    again = make(on("three"))
    assert (again.reused, again.sha256) == (True, first.sha256)


@pytest.mark.parametrize("of_model", [False, True])
def test_a_damaged_copy_is_brought_again(on: Callable[[str], Store], of_model: bool) -> None:
    ref = make(on("one")) if of_model else run(on("one"))
    store = on("one")
    file = Path(ref.path) / "model.safetensors" if of_model else store.root / SHARD
    before = file.read_bytes()
    file.write_bytes(b"other")
    assert (make(store) if of_model else run(store)).reused
    assert file.read_bytes() == before


def test_a_stage_that_was_removed_there_is_computed_again(on: Callable[[str], Store], url: str) -> None:
    run(on("one"))
    for name in ObjectStore(url).list_names("stages"):
        ObjectStore(url).remove(name)
    assert not run(on("one")).reused
    assert ObjectStore(url).read(DONE) is not None


@pytest.mark.parametrize("missing", [f"stages/{NODE.key}/model.safetensors", SHARD])
def test_a_missing_object_of_a_finished_stage_is_computed_again(
    on: Callable[[str], Store], url: str, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    finish = run if missing == SHARD else make
    first = finish(on("one"))
    ObjectStore(url).remove(missing)
    with pytest.raises(StoreError, match=rf"^stage asr .* is damaged: {url}/{missing}: expected a"):
        on("two").localize(first)
    assert not finish(on("two")).reused
    assert f"{missing}: expected a" in caplog.text
    assert on("three").localize(first).sha256 == first.sha256


def test_two_machines_that_finish_a_stage_of_shards_at_once_agree(
    on: Callable[[str], Store], url: str
) -> None:
    """The later one writes its seal over the other's: it says the same of what the stage holds."""
    one, two = on("one"), on("two")
    headers = [one.add_shard(*shard) for shard in SHARDS]
    refs = [finish_stage(store, PLAN, headers, {}) for store in (one, two)]
    assert refs[0].sha256 == refs[1].sha256
    assert run(on("three")).reused


def test_a_model_that_another_sealed_is_refused(on: Callable[[str], Store], url: str) -> None:
    store = on("one")
    with (
        pytest.raises(StoreError, match=r"was sealed by another process; run the same command again"),
        open_stage(store, NODE) as writer,
    ):
        (writer.path / "model").write_bytes(b"weights")
        ObjectStore(url).write(f"stages/{NODE.key}/{SEAL}", b"{}")
        writer.seal(["model"], Cost(), items=1)
    assert ObjectStore(url).read(f"stages/{NODE.key}/{SEAL}") == b"{}"


def test_what_a_killed_copy_left_is_removed(on: Callable[[str], Store]) -> None:
    first = run(on("one"))
    two = on("two")
    left = two.root / "stages" / f".{PLAN.key}.123.new"
    left.mkdir(parents=True)
    (left / "model").write_bytes(b"half")
    folder = two.stage_folder(PLAN.key)
    folder.mkdir()
    (folder / SEAL).write_bytes(b"of another store")
    assert content(two.localize(first)) == BYTES
    assert not left.exists()


@pytest.mark.parametrize("name", ["../../escaped", "/etc/escaped", "a/../../b", ""])
def test_a_seal_that_names_files_outside_is_refused(
    on: Callable[[str], Store], url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = {name: "0" * 64}
    whole = Seal.model_construct(
        stage="asr", key=PLAN.key, plan=PLAN.model_dump(mode="json"), files=files,
        sha256=digest_of([files, []]), items=0, quarantined=0, seconds=0.0, peak_memory_bytes=0, finished="",
    )  # fmt: skip
    store = on("one")
    store.mark_layout()
    ObjectStore(url).write(DONE, whole.encode())
    assert store.find_stage(PLAN) is None
    assert "expected names of files inside the stage" in caplog.text


def test_a_model_of_the_store_is_found_from_another_machine(on: Callable[[str], Store], url: str) -> None:
    store = on("one")
    with open_stage(store, NODE) as writer:
        model = writer.path / "model"
        model.mkdir()
        (model / "config.json").write_text('{"architectures": ["Tiny"]}')
        header = b'{"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}'
        weights = len(header).to_bytes(8, "little") + header + bytes(24)
        (model / "model.safetensors").write_bytes(weights)
        writer.seal(["model/config.json", "model/model.safetensors"], Cost(), items=1)
    on("two")
    result = resolve(f"store:{NODE.key[:12]}", url)
    assert "two" in result.path
    assert sha256_of(Path(result.path) / "model.safetensors") == sha256_of(model / "model.safetensors")
    with pytest.raises(StoreError, match=f"expected one stage in {url}/stages, found none"):
        resolve("store:" + "0" * 64, url)


def test_models_of_a_run_are_described_on_a_machine_that_has_no_copy(
    on: Callable[[str], Store], url: str, tmp_path: Path
) -> None:
    test_a_model_of_the_store_is_found_from_another_machine(on, url)
    used = stage(tmp_path, "mt", models={"model": f"store:{NODE.key[:12]}"})
    graph = PipelineRecord(nodes=(NodeRecord(name="mt", kind="translate", output="text"),))
    run = run_record("r").model_copy(update={"stages": (used,), "pipeline": graph})
    assert parameters_of(run, on("three")) == 6


def test_runs_are_read_back_from_another_machine(on: Callable[[str], Store], url: str) -> None:
    store = on("one")
    ref = run(store)
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
    assert content(loaded.stages[0]) == BYTES
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


def test_a_run_of_another_machine_has_no_time_here(on: Callable[[str], Store]) -> None:
    claim(on("one"), "begun")
    (entry,) = list_runs(on("two"))
    assert (entry.name, entry.status, entry.started) == ("begun", "unfinished", "")


def test_a_stale_model_is_made_from_nothing_that_is_left_of_it(on: Callable[[str], Store]) -> None:
    """What is made whole uses the files that it finds: those of other inputs are none of them."""
    for digest in "12":
        with open_stage(on("one"), NODE, read_digests={"of": digest * 64}) as writer:
            assert writer.ref is None
            assert list(writer.path.iterdir()) == []
            (writer.path / "spoken.flac").write_text(digest)
            writer.seal(["spoken.flac"], Cost(), items=1)


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
