"""A stage survives whatever happens to its writer, and its bytes do not depend on it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from components.storage.stages.record_files import ERRORS, JOURNAL, OUTPUTS, read_journal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import ConfigError, StoreError
from components.files.digests import file_digest
from components.run_record import StageRef
from components.storage.places import locks
from components.storage.stages import seal
from components.storage.stages.seal import SEAL, DamagedError
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import open_stage
from components.storage.stages.whole_stage import WORK, StageFiles, compute_once
from components.storage.store import Store

PLAN = StagePlan(stage="asr", version="test/1", shard_size=2)
SHARDS = [(["a", "b"], []), (["c"], ["d"]), ([], ["e", "f"]), (["g"], [])]
IDS = "abcdefg"


def record(name: str) -> str:
    return json.dumps({"utterance_id": name, "text": f"text of {name}\u2028"}, ensure_ascii=False)


def run(store: Store, until: int | None = None) -> StageRef | None:
    """Append what is missing, up to shard ``until``; finish if that is the end."""
    with open_stage(store, PLAN) as writer:
        if writer.ref is not None:
            return writer.ref
        for good, bad in SHARDS[writer.shards_done : until]:
            writer.append([record(x) for x in good], [record(x) for x in bad], seconds=1.0, peak=7)
        return writer.finish(IDS) if until is None else None


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (OUTPUTS, ERRORS)}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    store = Store(str(tmp_path_factory.mktemp("straight")))
    ref = run(store)
    assert ref is not None
    return content(Path(ref.path))


def test_a_finished_stage_counts_and_is_reused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first = run(store)
    again = run(store)
    assert first is not None
    assert (first.items, first.quarantined, first.seconds, first.reused) == (7, 3, 4.0, False)
    assert again == first.model_copy(update={"reused": True})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    until=st.integers(0, 4),
    cuts=st.fixed_dictionaries({n: st.integers(0, 60) for n in (OUTPUTS, ERRORS, JOURNAL)}),
)
def test_a_torn_stage_resumes_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, expected: dict[str, bytes], until: int, cuts: dict[str, int]
) -> None:
    """Whatever the tail of each file looks like after a crash, the finished bytes are the same."""
    store = Store(str(tmp_path_factory.mktemp("torn")))
    run(store, until=until)
    folder = store.stage_folder(PLAN.key)
    for name, cut in cuts.items():
        file = folder / name
        if file.exists():
            os.truncate(file, max(0, file.stat().st_size - cut))
    with (folder / OUTPUTS).open("ab") as file:
        file.write(b'{"utterance_id": "half a rec')
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


def test_complete_shards_are_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    run(store, until=3)
    with open_stage(store, PLAN) as writer:
        assert writer.shards_done == 3
        assert writer.seconds == 3.0


def test_shards_whose_inputs_changed_are_computed_again(tmp_path: Path, expected: dict[str, bytes]) -> None:
    store = Store(str(tmp_path))
    run(store, until=3)
    with open_stage(store, PLAN) as writer:
        writer.discard_from(1)
        assert (writer.shards_done, writer.seconds) == (1, 1.0)
        assert (writer.path / OUTPUTS).read_text() == f"{record('a')}\n{record('b')}\n"
        assert (writer.path / ERRORS).read_bytes() == b""
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


def reorder_journal(folder: Path) -> None:
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(lines[0] + lines[2] + lines[1])


def flip_a_bit(file: Path, position: int) -> None:
    flipped = bytearray(file.read_bytes())
    flipped[position] ^= 1
    file.write_bytes(flipped)


@pytest.mark.parametrize("damage", [reorder_journal, lambda folder: flip_a_bit(folder / ERRORS, 3)])
def test_a_half_finished_stage_goes_on_before_its_damage(
    tmp_path: Path, expected: dict[str, bytes], damage: Callable[[Path], None]
) -> None:
    store = Store(str(tmp_path))
    run(store, until=3)
    damage(store.stage_folder(PLAN.key))
    with open_stage(store, PLAN) as writer:
        assert writer.shards_done == 1
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


def test_a_flipped_bit_in_a_finished_stage_is_noticed(
    tmp_path: Path, expected: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    ref = run(store)
    assert ref is not None
    flip_a_bit(Path(ref.path) / OUTPUTS, 20)
    again = run(store)
    assert again is not None
    assert not again.reused
    assert content(Path(again.path)) == expected
    assert "damaged and will be computed again" in caplog.text
    assert len(list(store.stages.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize("done", ["", "[]", "{}", '{"files": 3}', '{"files": {"outputs.jsonl": "x"}}'])
def test_a_damaged_seal_is_noticed(tmp_path: Path, expected: dict[str, bytes], done: str) -> None:
    store = Store(str(tmp_path))
    run(store)
    (store.stage_folder(PLAN.key) / "DONE.json").write_text(done)
    again = run(store)
    assert again is not None
    assert not again.reused
    assert content(Path(again.path)) == expected


def test_an_exception_inside_leaves_the_stage_resumable(tmp_path: Path, expected: dict[str, bytes]) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(ZeroDivisionError), open_stage(store, PLAN) as writer:
        writer.append([record("a"), record("b")], [], seconds=1.0, peak=7)
        raise ZeroDivisionError
    assert not (store.stage_folder(PLAN.key) / "DONE.json").exists()
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


def test_the_second_writer_is_refused_and_told_who_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locks.VARIABLE, "0")
    store = Store(str(tmp_path))
    with open_stage(store, PLAN), pytest.raises(StoreError, match=rf"process {os.getpid()} on .* since 20"):
        run(Store(str(tmp_path)))
    assert run(store) is not None
    assert list((tmp_path / "locks").iterdir()) == []


def test_the_second_writer_waits_and_finds_the_stage_finished(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    with ThreadPoolExecutor(1) as pool, open_stage(store, PLAN) as writer:
        second = pool.submit(run, Store(str(tmp_path)))
        while "waiting for it, 600 s at most" not in caplog.text:
            time.sleep(0.01)
        for good, bad in SHARDS:
            writer.append([record(x) for x in good], [record(x) for x in bad], seconds=1.0, peak=7)
        first = writer.finish(IDS)
        assert not second.done()
    assert second.result() == first.model_copy(update={"reused": True})
    assert caplog.text.count(f"is being written by process {os.getpid()}") == 1


def test_how_long_to_wait_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(locks.VARIABLE, text)
        with pytest.raises(ConfigError, match="ANTIPHON_LOCK_SECONDS: expected seconds, 0 or more"):
            locks.lock_seconds()


def flips(content: bytes) -> Iterator[bytes]:
    """The content with one bit changed, for every bit."""
    for place, bit in product(range(len(content)), range(8)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield bytes(flipped)


def test_no_flipped_bit_of_a_seal_is_believed(tmp_path: Path) -> None:
    """Every one is refused, or leaves what the seal says as it was."""
    store = Store(str(tmp_path))
    run(store)
    content = (store.stage_folder(PLAN.key) / SEAL).read_bytes()
    output = seal.read_seal(content, "", PLAN.key)
    for flipped in flips(content):
        with suppress(DamagedError):
            assert seal.read_seal(flipped, "", PLAN.key) == output


def test_a_flipped_bit_of_a_journal_cuts_it_there(tmp_path: Path, expected: dict[str, bytes]) -> None:
    store = Store(str(tmp_path))
    run(store, until=3)
    journal = store.stage_folder(PLAN.key) / JOURNAL
    whole = journal.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    entry = list(read_journal(first))
    assert len(list(read_journal(whole))) == 3
    for flipped in flips(second):
        assert list(read_journal(first + flipped + third)) == entry
    journal.write_bytes(first + second.replace(b'"sizes": [', b'"sizes": [-') + third)
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected
    assert [place["shard"] for _, place in read_journal(journal.read_bytes())] == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", None])
def test_a_damaged_plan_of_a_finished_stage_is_written_again(tmp_path: Path, content: bytes | None) -> None:
    store = Store(str(tmp_path))
    first = run(store)
    assert first is not None
    plan = store.stage_folder(PLAN.key) / "plan.json"
    before = plan.read_bytes()
    plan.unlink() if content is None else plan.write_bytes(content)
    with pytest.raises(StoreError, match=r"stage asr .* is damaged: .*plan.json: .*repeat the run"):
        store.localize(first)
    again = run(store)
    assert again == first.model_copy(update={"reused": True})
    assert plan.read_bytes() == before
    assert store.localize(first) == first


def test_what_is_read_by_reference_is_verified(tmp_path: Path) -> None:
    """Against the seal, and against what was sealed when the reference was made."""
    store = Store(str(tmp_path))
    first = run(store)
    assert first is not None
    assert store.localize(first) == first
    with pytest.raises(StoreError, match="it was computed anew since; repeat the run"):
        store.localize(first.model_copy(update={"sha256": "0" * 64}))
    outputs = Path(first.path) / OUTPUTS
    outputs.write_bytes(outputs.read_bytes().replace(b"text of a", b"text of b"))
    with pytest.raises(StoreError, match=r"stage asr .* is damaged: .*outputs.jsonl: expected sha256"):
        store.localize(first)
    outputs.unlink()
    with pytest.raises(StoreError, match=r"outputs.jsonl: expected a file, found: No such file"):
        store.localize(first)
    (Path(first.path) / SEAL).unlink()
    with pytest.raises(StoreError, match="found none; repeat the run that computed it"):
        store.localize(first)


def test_a_file_that_is_touched_again_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is remembered for a file as it is, once that is old enough for its time stamps to tell."""
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)
    file = tmp_path / "x"
    file.write_bytes(b"one")
    before = file_digest(file)
    result = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(result.st_atime_ns, result.st_mtime_ns))
    assert file_digest(file) != before


def test_litter_of_killed_processes_is_tidied(tmp_path: Path) -> None:
    """What a stage's writer left, when it is opened again; what others left, at a process's first write."""
    store = Store(str(tmp_path))
    run(store, until=1)
    left = [
        store.stage_folder(PLAN.key) / ".DONE.json.7.tmp",
        tmp_path / "runs" / "r" / ".report-data.x" / "page",
    ]
    left += [tmp_path / "locks" / name for name in ("run-r.lock", "run-r.holder", f"{'a' * 64}.lock")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    locks._CLEANED_ROOTS.discard(tmp_path)
    ref = run(store)
    assert ref is not None
    assert [path for path in (*left, left[1].parent) if path.exists()] == []


def test_what_is_at_work_is_not_tidied(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with open_stage(store, PLAN) as writer:
        half = writer.path / ".model.7.tmp"
        half.touch()
        locks._CLEANED_ROOTS.discard(tmp_path)
        with open_stage(store, PLAN.model_copy(update={"seed": 1})):
            assert half.exists()
        assert locks.holder_of(tmp_path, PLAN.key) is not None


@pytest.mark.parametrize("ids", ["abcdef", "abcdefgh", "abcdfeg", "bacdefg", ""])
def test_the_partition_is_checked(tmp_path: Path, ids: str) -> None:
    store = Store(str(tmp_path))
    run(store, until=4)
    with open_stage(store, PLAN) as writer, pytest.raises(StoreError, match="asr"):
        writer.finish(iter(ids))
    assert not (store.stage_folder(PLAN.key) / "DONE.json").exists()


def test_an_id_both_ok_and_quarantined_is_refused(tmp_path: Path) -> None:
    with open_stage(Store(str(tmp_path)), PLAN) as writer:
        writer.append([record("a")], [record("a")], seconds=1.0, peak=7)
        with pytest.raises(StoreError, match="'a'"):
            writer.finish("a")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Store]:
    store = Store(str(tmp_path))
    with open_stage(store, PLAN, records=False) as writer:
        (writer.path / "model.safetensors").write_bytes(b"weights")
        (writer.path / "checkpoint.pt").write_bytes(b"not part of the result")
        writer.seconds += 12.5
        writer.seal(["model.safetensors"], items=3)
    yield store


def test_a_stage_of_files_is_sealed_with_their_digests(model: Store) -> None:
    done = json.loads((model.stage_folder(PLAN.key) / "DONE.json").read_text())
    assert list(done["files"]) == ["model.safetensors"]
    result = model.find_stage(PLAN)
    assert result is not None
    assert (result.items, result.seconds) == (3, 12.5)
    (model.stage_folder(PLAN.key) / "model.safetensors").write_bytes(b"Weights")
    assert model.find_stage(PLAN) is None


@pytest.mark.parametrize(("read", "there"), [("1" * 64, True), ("2" * 64, False)])
def test_what_is_made_whole_goes_on_only_of_the_same_inputs(tmp_path: Path, read: str, there: bool) -> None:
    def broken_off(folder: Path) -> StageFiles:
        for name in ("half", f"{WORK}/half"):
            (folder / name).write_text("begun", "utf-8")
        raise RuntimeError

    seen = []

    def work(folder: Path) -> StageFiles:
        seen.extend((folder / name).exists() for name in ("half", f"{WORK}/half"))
        (folder / "model").write_text("made", "utf-8")
        return StageFiles(["model"], items=1)

    store = Store(str(tmp_path))
    with suppress(RuntimeError):
        compute_once(store, PLAN, broken_off, {"of0": "1" * 64})
    ref = compute_once(store, PLAN, work, {"of0": read})
    assert seen == [there, there]
    assert not (Path(ref.path) / WORK).exists()
    assert store.find_stage(PLAN, {"of0": read}) is not None


def test_what_is_noted_of_shards_is_in_the_seal(tmp_path: Path) -> None:
    """The smallest batch, and what served models counted of all shards, also of those before a kill."""
    noted = [{}, {"batch_size": 8, "usage": {"served:x": {"input_tokens": 3.0}}}]
    noted += [{"batch_size": 4}, {"usage": {"served:x": {"input_tokens": 2.0, "output_tokens": 1.0}}}]
    store = Store(str(tmp_path))
    for until in (2, None):
        with open_stage(store, PLAN) as writer:
            for number in range(writer.shards_done, until or len(SHARDS)):
                good, bad = SHARDS[number]
                lines = [record(x) for x in good], [record(x) for x in bad]
                writer.append(*lines, seconds=1.0, peak=7, noted=noted[number])
            ref = writer.finish(IDS) if until is None else None
    assert ref is not None
    assert (ref.batch_size, ref.usage) == (4, {"served:x": {"input_tokens": 5.0, "output_tokens": 1.0}})
    assert store.find_stage(PLAN) == ref.model_copy(update={"reused": True})
    plain = run(Store(str(tmp_path / "other")))
    assert plain is not None
    assert {"batch_size", "usage"}.isdisjoint(plain.model_dump())
