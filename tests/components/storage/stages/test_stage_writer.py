"""A stage is finished by its seal alone, whatever happens to its writer."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from components.compute.profiling import Cost
from components.errors import ConfigError, StoreError
from components.files.digests import file_digest
from components.records import Hypothesis, NBest, NodeOutcome
from components.run_record import StageRef
from components.storage.places import locks
from components.storage.shards.shard import shard_name
from components.storage.stages import seal
from components.storage.stages.reader import read_nbests, read_quarantined, read_shards
from components.storage.stages.seal import SEAL, DamagedError
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage, open_stage
from components.storage.stages.whole_stage import WORK, StageFiles, compute_once
from components.storage.store import Store
from tests.components.storage.test_store import refusal
from tests.components.storage.written import encode_piece, encoded, written

NODE = StagePlan(stage="asr", version="test/1")
"""The plan of a model, and of records but for their shards."""


def nbest(name: str, text: str | None = None) -> NBest:
    words = Hypothesis(text=text or f"text of {name}\u2028", score=-1, n_tokens=1, system="s")
    return NBest(utterance_id=name, hypotheses=(words,))


OUTCOMES: list[NodeOutcome] = [*map(nbest, "abcd"), *map(refusal, "ef"), nbest("g")]
PLAN, SHARDS = encoded(NODE, OUTCOMES, size=2)


def run(store: Store) -> StageRef:
    """The finished stage of four shards, what is missing of it computed."""
    return written(store, NODE, OUTCOMES, size=2)


def content(ref: StageRef) -> list[bytes]:
    """The shards of a stage, as they are stored where it is."""
    return [(Path(ref.path).parents[1] / shard_name(shard.key)).read_bytes() for shard in read_shards(ref)]


BYTES = [content for _, content in SHARDS]


def make(store: Store) -> StageRef:
    """The finished stage of a file."""

    def work(folder: Path) -> StageFiles:
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "checkpoint.pt").write_bytes(b"not part of the result")
        return StageFiles(["model.safetensors"], items=3, seconds=12.5)

    return compute_once(store, NODE, work)


def test_a_finished_stage_counts_and_is_reused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first = run(store)
    again = run(store)
    assert (first.items, first.quarantined, first.seconds, first.reused) == (7, 2, 4.0, False)
    assert again == first.model_copy(update={"reused": True})
    assert content(again) == BYTES


def flip_a_bit(file: Path, position: int) -> None:
    flipped = bytearray(file.read_bytes())
    flipped[position] ^= 1
    file.write_bytes(flipped)


def test_a_flipped_bit_in_a_finished_stage_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    run(store)
    flip_a_bit(tmp_path / shard_name(SHARDS[1][0].key), -20)
    again = run(store)
    assert not again.reused
    assert content(again) == BYTES
    assert "damaged and will be computed again" in caplog.text
    whole = make(store)
    assert (whole.items, whole.seconds) == (3, 12.5)
    sealed = json.loads((store.stage_folder(NODE.key) / SEAL).read_text())
    assert list(sealed["files"]) == ["model.safetensors"]
    flip_a_bit(store.stage_folder(NODE.key) / "model.safetensors", 2)
    assert store.find_stage(NODE) is None
    assert not make(store).reused
    assert len(list(store.stages.glob("*.damaged-*"))) == 1


@pytest.mark.parametrize("done", ["", "[]", "{}", '{"files": 3}', '{"files": {"model": "x"}}'])
def test_a_damaged_seal_is_noticed(tmp_path: Path, done: str) -> None:
    store = Store(str(tmp_path))
    run(store)
    (store.stage_folder(PLAN.key) / SEAL).write_text(done)
    again = run(store)
    assert not again.reused
    assert content(again) == BYTES


def test_an_exception_inside_leaves_the_stage_unfinished(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(ZeroDivisionError), open_stage(store, NODE):
        raise ZeroDivisionError
    assert store.find_stage(NODE) is None
    assert not make(store).reused


def test_the_second_writer_is_refused_and_told_who_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locks.VARIABLE, "0")
    store = Store(str(tmp_path))
    with open_stage(store, NODE), pytest.raises(StoreError, match=rf"process {os.getpid()} on .* since 20"):
        make(Store(str(tmp_path)))
    assert make(store).items == 3
    assert list((tmp_path / "locks").iterdir()) == []


def test_the_second_writer_waits_and_finds_the_stage_finished(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    with ThreadPoolExecutor(1) as pool, open_stage(store, NODE) as writer:
        second = pool.submit(make, Store(str(tmp_path)))
        while "waiting for it, 600 s at most" not in caplog.text:
            time.sleep(0.01)
        first = writer.seal([], Cost(), items=3)
        assert not second.done()
    assert second.result() == first.model_copy(update={"reused": True})
    assert caplog.text.count(f"is being written by process {os.getpid()}") == 1


def test_how_long_to_wait_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(locks.VARIABLE, text)
        with pytest.raises(ConfigError, match="ANTIPHON_LOCK_SECONDS: expected seconds, at least 0"):
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


def test_what_is_read_by_reference_is_verified(tmp_path: Path) -> None:
    """Against the seal, and against what was sealed when the reference was made."""
    store = Store(str(tmp_path))
    first = run(store)
    assert store.localize(first) == first
    with pytest.raises(StoreError, match="it was computed anew since; repeat the run"):
        store.localize(first.model_copy(update={"sha256": "0" * 64}))
    shard = tmp_path / shard_name(SHARDS[0][0].key)
    shard.write_bytes(BYTES[0].replace(b"text of a", b"text of b"))
    with pytest.raises(StoreError, match=r"stage asr .* is damaged: .*\.jsonl: its outcomes are not those"):
        store.localize(first)
    header, other = encoded(NODE, [nbest("a", "another text")], keys=[SHARDS[0][0].key])[1][0]
    assert header.key == SHARDS[0][0].key
    shard.write_bytes(other)
    with pytest.raises(
        StoreError, match=r"expected it as its stage was made from it, found it computed anew"
    ):
        store.localize(first)
    shard.unlink()
    with pytest.raises(StoreError, match=r"\.jsonl: expected a shard of a finished stage, found none"):
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
    left = [
        store.stage_folder(NODE.key) / f".{SEAL}.7.tmp",
        tmp_path / "runs" / "r" / ".report-data.x" / "page",
    ]
    left += [tmp_path / "locks" / name for name in ("run-r.lock", "run-r.holder", f"{'a' * 64}.lock")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    store.mark_layout()
    locks._CLEANED_ROOTS.discard(tmp_path)
    make(store)
    assert [path for path in (*left, left[1].parent) if path.exists()] == []


def test_what_is_at_work_is_not_tidied(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with open_stage(store, NODE) as writer:
        half = writer.path / ".model.7.tmp"
        half.touch()
        locks._CLEANED_ROOTS.discard(tmp_path)
        with open_stage(store, NODE.model_copy(update={"seed": 1})):
            assert half.exists()
        assert locks.holder_of(tmp_path, NODE.key) is not None


def test_records_of_a_node_that_is_made_whole_are_a_shard_beside_its_files(tmp_path: Path) -> None:
    """It is made again where the shard is damaged, or made from what has changed."""
    store = Store(str(tmp_path))

    def work(folder: Path) -> StageFiles:
        (folder / "spoken.flac").write_bytes(b"sound")
        return StageFiles(["spoken.flac"], 1, [refusal("z")], [nbest("a")])

    first = compute_once(store, NODE, work, {"of0": "1" * 64})
    (shard,) = read_shards(first)
    assert list(read_nbests(first)) == [nbest("a")]
    assert list(read_quarantined(first)) == [refusal("z")]
    assert compute_once(store, NODE, work, {"of0": "1" * 64}).reused
    flip_a_bit(tmp_path / shard_name(shard.key), -5)
    for read in "12":
        again = compute_once(store, NODE, work, {"of0": read * 64})
        assert (again.reused, again.sha256) == (False, first.sha256)
        assert list(read_nbests(again)) == [nbest("a")]

    def remove(folder: Path) -> StageFiles:
        shutil.rmtree(tmp_path)
        return work(folder)

    with pytest.raises(StoreError, match=r"asr: expected .*, found it removed; run the same command again"):
        compute_once(store, NODE.model_copy(update={"seed": 1}), remove)


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
        compute_once(store, NODE, broken_off, {"of0": "1" * 64})
    ref = compute_once(store, NODE, work, {"of0": read})
    assert seen == [there, there]
    assert not (Path(ref.path) / WORK).exists()
    assert store.find_stage(NODE, {"of0": read}) is not None


def test_what_headers_say_of_cost_is_in_the_seal(tmp_path: Path) -> None:
    """The smallest batch, and what served models counted of all shards."""
    noted: list[dict[str, Any]] = [{}, {"batch_size": 8, "usage": {"served:x": {"input_tokens": 3.0}}}]
    noted += [{"batch_size": 4}, {"usage": {"served:x": {"input_tokens": 2.0, "output_tokens": 1.0}}}]
    store = Store(str(tmp_path))
    headers = [
        store.add_shard(*encode_piece(NODE, OUTCOMES[2 * number : 2 * number + 2], **values))
        for number, values in enumerate(noted)
    ]
    ref = finish_stage(store, PLAN, headers, {})
    assert (ref.batch_size, ref.usage) == (4, {"served:x": {"input_tokens": 5.0, "output_tokens": 1.0}})
    assert store.find_stage(PLAN) == ref.model_copy(update={"reused": True})
    assert {"batch_size", "usage"}.isdisjoint(run(Store(str(tmp_path / "other"))).model_dump())
