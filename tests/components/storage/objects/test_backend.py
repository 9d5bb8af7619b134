"""A store on object storage: machines with a copy each keep the same keys and bytes as a folder does.

A machine is a cache folder (ANTIPHON_CACHE) here. A whole flow with a killed worker is in tests/crash.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from components.analysis.run_outputs import parameters_of
from components.compute.profiling import Cost
from components.errors import ConfigError, StoreError
from components.files.digests import sha256_of
from components.models import resolve
from components.run_record import NodeRecord, PipelineRecord, StageRef
from components.storage.objects import lease as leases
from components.storage.objects.object_store import ObjectStore
from components.storage.places import locks
from components.storage.runs.run_listing import list_runs
from components.storage.shards.shard import encode_shard, shard_key, shard_name
from components.storage.stages.seal import SEAL, Seal, digest_contents
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import StageWriter, finish_stage, open_stage
from components.storage.store import Store
from tests.components.storage.test_store import claim
from tests.components.storage.test_store import record as run_record

NODE = StagePlan(stage="asr", kind="recognize", version="test/1")
SHARDS = {
    shard_key(NODE.fingerprint, {"data": str(n)}): [f'{{"utterance_id":"{n}.{m}"}}' for m in range(n)]
    for n in range(1, 5)
}
PLAN = NODE.with_shards(SHARDS)
TABLE = StagePlan(stage="table", kind="table", version="test/1")
MODEL = StagePlan(stage="train", kind="train", version="test/1")
DONE = f"stages/{PLAN.key}/{SEAL}"


@pytest.fixture(params=["memory"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(leases.VARIABLE, "1")
    monkeypatch.setenv(locks.VARIABLE, "0")
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return f"memory://{uuid.uuid4().hex}/store"


over_s3_too = pytest.mark.parametrize("url", ["memory", "s3"], indirect=True)
"""Of each kind of request one test: the server takes ten times as long as memory does."""


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Callable[[str], Store]:
    """The store as it is seen from the machine of that name."""

    def seen(machine: str) -> Store:
        monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / machine))
        return Store(url)

    return seen


def store_shards(store: Store, until: int | None = None) -> int:
    """Store the shards that are not there, of the first ``until``; return how many that were."""
    computed = 0
    for number, (key, lines) in enumerate(list(SHARDS.items())[:until], start=1):
        read = {"data": (str(number), str(number))}
        if store.find_shard(key, read) is None:
            header, content = encode_shard(
                lines,
                key=key,
                stage="asr",
                kind="recognize",
                fingerprint=NODE.fingerprint,
                read=read,
                seconds=1.0,
            )
            store.add_shard(header, content)
            computed += 1
    return computed


def run(store: Store) -> StageRef:
    """Compute the stage, or reuse it."""
    if (ref := store.find_stage(PLAN)) is not None:
        return ref
    store_shards(store)
    headers = [header for key in SHARDS if (header := store.find_shard(key)) is not None]
    return finish_stage(store, PLAN, headers, {})


def content(ref: StageRef) -> dict[str, bytes]:
    """The shards of a stage as they lie on the machine that it was read on."""
    root = Path(ref.path).parents[1]
    return {key: (root / shard_name(key)).read_bytes() for key in SHARDS}


def write_table(writer: StageWriter, text: str) -> StageRef:
    """Make the stage of one file."""
    (writer.path / "table.tsv").write_text(text)
    return writer.seal(["table.tsv"], Cost(), items=1)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return content(run(Store(str(tmp_path_factory.mktemp("local")))))


@over_s3_too
def test_the_same_bytes_as_in_a_folder(on: Callable[[str], Store], url: str, local: dict[str, bytes]) -> None:
    ref = run(on("one"))
    assert (ref.key, ref.reused, ref.items) == (PLAN.key, False, 10)
    objects = ObjectStore(url)
    assert objects.list_names("stages") == [DONE]
    assert objects.list_names("shards") == sorted(map(shard_name, SHARDS))
    assert {key: objects.read(shard_name(key)) for key in SHARDS} == local
    again = run(on("two"))
    assert again.reused
    assert Path(again.path) != Path(ref.path)
    assert content(again) == local


def test_another_machine_computes_the_shards_that_are_not_stored(
    on: Callable[[str], Store], local: dict[str, bytes]
) -> None:
    assert store_shards(on("one"), 2) == 2
    two = on("two")
    assert two.backend.find_shards(SHARDS) == set(list(SHARDS)[:2])
    assert store_shards(two) == 2
    assert content(run(two)) == local


@over_s3_too
def test_of_two_that_compute_a_shard_the_first_counts(on: Callable[[str], Store], url: str) -> None:
    (key, *_) = SHARDS
    facts: dict[str, Any] = {"key": key, "stage": "asr", "fingerprint": NODE.fingerprint}
    first = on("one").add_shard(*encode_shard(["{}"], seconds=1.0, **facts))
    second = on("two").add_shard(*encode_shard(["{}"], seconds=2.0, **facts))
    assert first == second
    assert ObjectStore(url).read(shard_name(key)) == encode_shard(["{}"], seconds=1.0, **facts)[1]


@pytest.mark.parametrize("damage", [None, b"", b"other"])
def test_a_damaged_or_missing_shard_is_computed_again(
    on: Callable[[str], Store], url: str, local: dict[str, bytes], damage: bytes | None
) -> None:
    first = run(on("one"))
    name = shard_name(list(SHARDS)[1])
    if damage is None:
        ObjectStore(url).remove(name)
    else:
        ObjectStore(url).write(name, damage)
    with pytest.raises(StoreError, match=rf"^stage asr .* is damaged: {url}/{name}: "):
        on("two").localize(first)
    again = run(on("two"))
    assert not again.reused
    assert content(again) == local
    assert on("three").localize(first).sha256 == first.sha256


def test_a_shard_that_is_here_alone_counts_when_it_is_stored_again(
    on: Callable[[str], Store], url: str
) -> None:
    run(on("one"))
    two = on("two")
    assert two.find_shards(SHARDS).keys() == set(SHARDS)
    first, *others = SHARDS
    ObjectStore(url).remove(shard_name(first))
    assert two.find_shards(SHARDS).keys() == set(others)
    assert two.find_shard(first) is not None
    assert ObjectStore(url).read(shard_name(first)) is not None
    assert two.find_shards(SHARDS).keys() == set(SHARDS)


def test_a_damaged_copy_is_brought_again(on: Callable[[str], Store], local: dict[str, bytes]) -> None:
    ref = run(on("one"))
    (Path(ref.path).parents[1] / shard_name(list(SHARDS)[1])).write_bytes(b"other")
    (Path(ref.path) / SEAL).write_bytes(b"other")
    again = run(on("one"))
    assert again.reused
    assert content(again) == local


def test_a_stage_that_was_removed_there_is_finished_again(on: Callable[[str], Store], url: str) -> None:
    run(on("one"))
    ObjectStore(url).remove(*ObjectStore(url).list_names("stages"))
    assert not run(on("one")).reused
    assert ObjectStore(url).read(DONE) is not None


@over_s3_too
def test_the_second_machine_is_refused_and_told_who_writes(on: Callable[[str], Store]) -> None:
    with (
        open_stage(on("one"), TABLE),
        pytest.raises(StoreError, match=r"stage table .* is being written by process \d+ on .* since 20"),
        open_stage(on("two"), TABLE),
    ):
        raise AssertionError


def test_the_same_machine_need_not_wait_for_the_lease_of_a_dead_process(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(leases.VARIABLE, "3600")
    store = on("one")
    with pytest.raises(KeyboardInterrupt), open_stage(store, TABLE):
        store.backend._leases[TABLE.key]._lost = "its process was killed"  # type: ignore[attr-defined]
        raise KeyboardInterrupt
    with open_stage(on("one"), TABLE) as writer:
        assert not write_table(writer, "text").reused


@over_s3_too
def test_one_that_lost_its_lease_writes_nothing_more(on: Callable[[str], Store], url: str) -> None:
    slow = on("one")
    with open_stage(slow, TABLE) as writer:
        other = {"token": "x", "pid": 7, "host": "faster", "since": "now"}
        ObjectStore(url).write(f"locks/{TABLE.key}.json", json.dumps(other).encode())
        lease = slow.backend._leases[TABLE.key]  # type: ignore[attr-defined]
        while lease._lost is None:  # a renewal is due every third of a second
            time.sleep(0.01)
        with pytest.raises(StoreError, match="its lease was lost: process 7 on faster"):
            write_table(writer, "text")
    assert ObjectStore(url).list_names("stages") == []


def test_a_lease_that_cannot_be_renewed_is_lost(
    on: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = on("one")
    with open_stage(store, TABLE):
        lease = store.backend._leases[TABLE.key]  # type: ignore[attr-defined]
        monkeypatch.setattr(lease, "_renewed", lease._renewed - 10)
        with pytest.raises(StoreError, match="it could not be renewed for 1 s"):
            lease.check()
        lease._lost = None


@over_s3_too
def test_one_that_was_frozen_before_the_seal_does_not_seal(
    on: Callable[[str], Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has checked its lease, and another machine makes the stage before it writes."""
    frozen, create = on("one"), ObjectStore.create

    def wake_up_late(objects: ObjectStore, name: str, seal: bytes) -> bool:
        if name.endswith(SEAL):
            monkeypatch.setattr(ObjectStore, "create", create)
            frozen.backend._leases[TABLE.key]._over.set()  # type: ignore[attr-defined]
            with open_stage(on("two"), TABLE) as other:
                write_table(other, "other text")
        return create(objects, name, seal)

    monkeypatch.setattr(ObjectStore, "create", wake_up_late)
    with (
        pytest.raises(StoreError, match="was sealed by another process; run the same command again"),
        open_stage(frozen, TABLE) as writer,
    ):
        write_table(writer, "text")
    found = on("three").find_stage(TABLE)
    assert (Path(found.path) / "table.tsv").read_text() == "other text"


def test_a_file_that_is_damaged_or_missing_is_made_again(
    on: Callable[[str], Store], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_stage(on("one"), TABLE) as writer:
        write_table(writer, "text")
    for machine, damage in (("two", b"other"), ("three", None)):
        if damage is None:
            ObjectStore(url).remove(f"stages/{TABLE.key}/table.tsv")
        else:
            ObjectStore(url).write(f"stages/{TABLE.key}/table.tsv", damage)
        with open_stage(on(machine), TABLE) as writer:
            assert writer.ref is None
            write_table(writer, "text")
    assert "table.tsv: expected sha256" in caplog.text
    assert "table.tsv: expected a file, found none" in caplog.text


@pytest.mark.parametrize("name", ["../../escaped", "/etc/escaped", "a/../../b", ""])
def test_a_seal_that_names_files_outside_is_refused(
    on: Callable[[str], Store], url: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = {name: "0" * 64}
    whole = Seal.model_construct(
        stage="asr", kind="recognize", key=PLAN.key, plan=PLAN.model_dump(mode="json"), files=files,
        sha256=digest_contents(files, ()), items=0, quarantined=0, seconds=0.0, peak_memory_bytes=0,
        finished="",
    )  # fmt: skip
    store = on("one")
    store.mark_layout()
    ObjectStore(url).write(DONE, whole.encode())
    assert store.find_stage(PLAN) is None
    assert "expected names of files inside the stage" in caplog.text


@over_s3_too
def test_a_model_of_the_store_is_found_and_described_on_a_machine_that_has_no_copy(
    on: Callable[[str], Store], url: str
) -> None:
    store = on("one")
    with open_stage(store, MODEL) as writer:
        model = writer.path / "model"
        model.mkdir()
        (model / "config.json").write_text('{"architectures": ["Tiny"]}')
        header = b'{"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}'
        weights = len(header).to_bytes(8, "little") + header + bytes(24)
        (model / "model.safetensors").write_bytes(weights)
        writer.seal(["model/config.json", "model/model.safetensors"], Cost(), items=1)
    on("two")
    result = resolve(f"store:{MODEL.key[:12]}", url)
    assert "two" in result.path
    assert sha256_of(Path(result.path) / "model.safetensors") == sha256_of(model / "model.safetensors")
    with pytest.raises(StoreError, match=f"expected one stage in {url}/stages, found none"):
        resolve("store:" + "0" * 64, url)
    facts = {"weights": {"model": "0" * 64}, "models": {"model": f"store:{MODEL.key[:12]}"}}
    with open_stage(on("one"), StagePlan(stage="mt", version="test/1", **facts)) as writer:
        used = write_table(writer, "text")
    graph = PipelineRecord(nodes=(NodeRecord(name="mt", kind="translate", output="text"),))
    run = run_record("r").model_copy(update={"stages": (used,), "pipeline": graph})
    assert parameters_of(run, on("three")) == 6
    with open_stage(on("one"), StagePlan(stage="student", version="test/1")) as writer:
        used = write_table(writer, "text")
    made = used.model_copy(update={"stage": "made", "key": MODEL.key})
    student = graph.nodes[0].model_copy(update={"name": "student", "models": {"model": "node:made"}})
    graph = PipelineRecord(nodes=(student,))
    run = run.model_copy(update={"stages": (used, made), "pipeline": graph})
    assert parameters_of(run, on("three")) == 6  # of a model that another node made


@over_s3_too
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
    assert content(loaded.stages[0]) == content(ref)
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


def test_what_a_killed_copy_left_is_removed(on: Callable[[str], Store], local: dict[str, bytes]) -> None:
    first = run(on("one"))
    two = on("two")
    left = two.root / "stages" / f".{PLAN.key}.123.new"
    left.mkdir(parents=True)
    (left / "table.tsv").write_bytes(b"half")
    folder = two.stage_folder(PLAN.key)
    folder.mkdir()
    (folder / SEAL).write_bytes(b"of another store")
    assert content(two.localize(first)) == local
    assert not left.exists()


def test_a_run_of_another_machine_has_no_time_here(on: Callable[[str], Store]) -> None:
    claim(on("one"), "begun")
    (entry,) = list_runs(on("two"))
    assert (entry.name, entry.status, entry.started) == ("begun", "unfinished", "")


def test_a_stale_model_is_made_from_nothing_that_is_left_of_it(on: Callable[[str], Store]) -> None:
    """What is made whole uses the files that it finds: those of other inputs are none of them."""
    for digest in "12":
        with open_stage(on("one"), TABLE, read_digests={"of": digest * 64}) as writer:
            assert writer.ref is None
            assert list(writer.path.iterdir()) == []
            write_table(writer, digest)


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
