"""What prune leaves and what it removes; processes that run beside it are in test_prune_processes.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import StoreError
from components.storage.places import locks
from components.storage.runs.accepted_runs import accept_run
from components.storage.runs.usage_leases import UsageLeases
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import read_shards
from components.storage.stages.seal import SEAL
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from components.storage.upkeep.prune import Pruned, PruneOptions, plan_prune, prune
from tests.components.storage.test_store import refusal
from tests.components.storage.upkeep.stores import (
    age,
    forget_own_uses,
    keys_of,
    save_run,
    shards_of,
    write_data,
    write_stage,
)
from tests.components.storage.written import encode_piece

NOW = PruneOptions(grace=0.0)


def pruned(store: Store, options: PruneOptions = NOW) -> Pruned:
    forget_own_uses()
    return prune(store, options)


@pytest.mark.parametrize("store", ["folder", "memory", "s3"], indirect=True)
def test_what_no_run_refers_to_goes(store: Store) -> None:
    data = write_data(store)
    used, free = write_stage(store, "mt", data), write_stage(store, "mt", data, seed=1)
    save_run(store, "mine", [data, used])
    forget_own_uses()
    assert plan_prune(store, NOW).stages == (free.key,)
    result = pruned(store)
    assert (result.stages, result.in_use) == ((free.key,), ())
    assert result.bytes > 0
    assert keys_of(store) == {data.key, used.key}
    assert store.load_run("mine").completed
    assert pruned(store) == Pruned()


def test_what_a_stage_of_a_run_reads_stays_and_so_does_what_that_reads(store: Store) -> None:
    """By a full key, by the first digits of a model's key, and through a deleted run's model."""
    corpus = write_stage(store, "corpus")
    model = write_stage(store, "train", corpus, kind="train")
    gate = write_stage(store, "gate", kind="train")
    mt = write_stage(
        store, "mt", models={"model": f"store:{model.key}"}, parameters={"gate": f"store:{gate.key[:8]}@7"}
    )
    save_run(store, "mine", [mt])
    assert pruned(store).stages == ()
    assert keys_of(store) == {corpus.key, model.key, gate.key, mt.key}


def test_files_that_others_put_among_the_runs_are_no_runs(store: Store) -> None:
    """As the Finder and consoles of object stores do."""
    store.backend.files.write("runs/.DS_Store", b"x")
    free = write_stage(store, "mt")
    assert pruned(store).stages == (free.key,)


def test_recent_stages_stay_for_the_grace_time(local: Store) -> None:
    free = write_stage(local, "mt")
    assert pruned(local, PruneOptions()).recent == (free.key,)
    assert keys_of(local) == {free.key}
    age(local)
    (latest := local.stage_folder(free.key) / "begun").touch()
    assert pruned(local, PruneOptions()).recent == (free.key,)
    latest.unlink()
    assert pruned(local, PruneOptions()).stages == (free.key,)


def test_an_interrupted_run_keeps_what_it_worked_on_until_it_is_deleted_or_completes(store: Store) -> None:
    with store.claim_run("cascade", "begun"):
        finished = write_stage(store, "asr")
        begun = StagePlan(stage="mt", kind="translate", version="unfinished/1")
        store.backend.uses.note(begun.fingerprint)
        header = store.add_shard(*encode_piece(begun, [refusal("a")]))
    kept = shards_of(store)
    assert header.key in kept
    assert pruned(store)[:3] == ((), (), ())
    with store.claim_run("cascade", "begun"):
        assert write_stage(store, "asr").reused
        store.save_run(
            save_run(store, "other", []).model_copy(update={"name": "begun", "stages": (finished,)})
        )
    assert pruned(store).shards == (header.key,)
    assert keys_of(store) == {finished.key}
    assert shards_of(store) == kept - {header.key}


def test_a_failed_attempt_under_the_name_of_a_finished_run_keeps_its_stages(local: Store) -> None:
    first = save_run(local, "mine", [write_stage(local, "mt")])
    second = write_stage(local, "mt", seed=1)
    local.save_run(first.model_copy(update={"status": "failed", "stages": (second,)}))
    assert pruned(local).stages == ()


def test_what_this_process_has_read_stays_until_it_ends(local: Store) -> None:
    ref = write_stage(local, "mt")
    result = prune(local, NOW)
    assert (result.stages, keys_of(local)) == ((), {ref.key})
    assert pruned(local).stages == (ref.key,)


def test_what_comes_into_use_meanwhile_stays_and_does_not_count(
    local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [write_stage(local, "mt", seed=seed) for seed in range(2)]
    forget_own_uses()
    read = UsageLeases.read_notes
    answers = iter([set[str](), {refs[0].key}])  # the first is planned with, the second decides
    monkeypatch.setattr(UsageLeases, "read_notes", lambda *arguments: read(*arguments) | next(answers))
    (shard,) = read_shards(refs[1])
    names = (f"stages/{refs[1].key}/{SEAL}", shard_name(shard.key))
    size = sum((local.root / name).stat().st_size for name in names)
    result = prune(local, NOW)
    assert (result.stages, result.in_use, result.bytes) == ((refs[1].key,), (refs[0].key,), size)
    assert result.shards == (shard.key,)
    assert keys_of(local) == {refs[0].key}


def test_a_stage_that_is_being_written_stays(local: Store) -> None:
    """Also where its writer left no note, as one of an older version would."""
    with local.backend.lock("a" * 64, "x", locks.LockWait("x", 0.0)):
        (local.stages / ("a" * 64)).mkdir(parents=True)
        forget_own_uses()
        assert prune(local, NOW).stages == ()
    assert pruned(local).stages == ("a" * 64,)


@pytest.mark.parametrize(
    "content", [b"{", b"", b'{"format": 1, "stages": []}', b'{"format": 2, "stages": []}']
)
def test_a_damaged_record_stops_it(local: Store, content: bytes) -> None:
    ref = write_stage(local, "mt")
    save_run(local, "mine", [ref])
    (local.run_folder("mine") / "run.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"mine/run.json: .*nothing was pruned: delete that run first"):
        pruned(local)
    assert keys_of(local) == {ref.key}


def test_old_runs_go_only_if_asked_for_and_never_accepted_ones(store: Store) -> None:
    for day, name in enumerate(("old", "good", "new"), 1):
        ref = write_stage(store, "mt", seed=day)
        save_run(store, name, [ref], started=f"2026-01-0{day}T00:00:00+00:00")
    accept_run(store, "good")
    assert pruned(store).runs == ()
    assert pruned(store, PruneOptions(keep_runs=3, grace=0.0)).runs == ()
    assert pruned(store, PruneOptions(older_than=1e10, grace=0.0)).runs == ()
    result = pruned(store, PruneOptions(keep_runs=1, older_than=60.0, grace=0.0))
    assert result.runs == ("old",)
    assert len(result.stages) == 1
    assert pruned(store, PruneOptions(keep_runs=0, grace=0.0)).runs == ("new",)
    assert store.backend.list_run_names() == ["good"]
    assert store.load_run("good").completed


def test_the_systems_of_a_comparison_stay_with_it(local: Store) -> None:
    for number, name in enumerate(("a", "b", "c")):
        ref = write_stage(local, "mt", seed=number)
        save_run(local, name, [ref], started="2026-01-01T00:00:00+00:00")
    save_run(local, "versus", [], systems={"x": "a", "y": "b"}, started="2026-01-02T00:00:00+00:00")
    (local.run_folder("c") / ".left.tmp").touch()
    (local.stage_folder(ref.key) / ".left.tmp").touch()
    age(local)
    going = pruned(local, PruneOptions(keep_runs=1, grace=0.0))
    assert (going.runs, going.stages, going.files) == (
        ("c",),
        (ref.key,),
        (),
    )  # what is in them goes with them
    assert set(pruned(local, PruneOptions(keep_runs=0, grace=0.0)).runs) == {"a", "b", "versus"}
    assert keys_of(local) == set()


def test_leftovers_of_dead_processes_go(local: Store) -> None:
    ref = write_stage(local, "mt")
    save_run(local, "mine", [ref])
    left = [
        local.stages / f"{'a' * 64}.damaged-20260101T000000" / "model",
        local.stages / ref.key / f".{SEAL}.7-ab.tmp",
        local.root / "shards" / "aa" / f".{'a' * 64}.jsonl.7-ab.tmp",
        local.root / "windows" / f"{'a' * 64}.jsonl",
        local.root / "imports" / "import-0" / "x",
        local.root / "trash" / "x" / "y",
        local.root / "locks" / "run-r.lock",
        local.root / "uses" / "1-ab.keys",
        local.root / "uses" / "2-ab.lock",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    at_work = local.root / "shards" / "aa" / ".of-a-writer-that-lives.tmp"
    age(local)
    at_work.touch()
    result = pruned(local)
    assert at_work.exists()
    assert len(result.files) == 6
    assert [path for path in left if path.exists()] == []
    assert not (local.stages / left[0].parent.name).exists()
    assert local.load_run("mine").completed


def test_one_prune_at_a_time(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stage(local, "mt")
    forget_own_uses()
    with (
        local.backend.lock_prune(),
        pytest.raises(StoreError, match=r"^the store is being pruned by process \d+"),
    ):
        prune(local, NOW)


@settings(max_examples=10)
@given(data=st.data())
def test_what_runs_reach_stays_and_nothing_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any graph of stages and any runs: what is left is what a walk over the graph reaches."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    refs, reads = [], {}
    for number in range(data.draw(st.integers(1, 6))):
        above = data.draw(st.lists(st.integers(0, number - 1), unique=True, max_size=2)) if number else []
        refs.append(write_stage(store, "mt", *(refs[n] for n in above), seed=number))
        reads[number] = above
    roots = data.draw(st.lists(st.integers(0, len(refs) - 1), unique=True, max_size=2))
    for number in roots:
        save_run(store, f"run{number}", [refs[number]])
    reached, pending = set(), list(roots)
    while pending:
        number = pending.pop()
        reached.add(number)
        pending += reads[number]
    pruned(store)
    assert keys_of(store) == {refs[number].key for number in reached}
