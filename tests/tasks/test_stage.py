"""A stage survives whatever happens to its writer, and its bytes do not depend on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import StoreError
from components.records import StageRef
from tasks.keys import StagePlan
from tasks.stage import ERRORS, JOURNAL, OUTPUTS, opened
from tasks.store import Store

PLAN = StagePlan(stage="asr", version="test/1", shard_size=2)
SHARDS = [(["a", "b"], []), (["c"], ["d"]), ([], ["e", "f"]), (["g"], [])]
IDS = "abcdefg"


def record(name: str) -> str:
    return json.dumps({"utterance_id": name, "text": f"text of {name}\u2028"}, ensure_ascii=False)


def run(store: Store, until: int | None = None) -> StageRef | None:
    """Append what is missing, up to shard ``until``; finish if that is the end."""
    with opened(store, PLAN) as writer:
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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
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
    folder = store.folder(PLAN.key)
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
    with opened(store, PLAN) as writer:
        assert writer.shards_done == 3
        assert writer.seconds == 3.0


def test_a_flipped_bit_in_a_finished_stage_is_noticed(
    tmp_path: Path, expected: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(str(tmp_path))
    ref = run(store)
    assert ref is not None
    file = Path(ref.path) / OUTPUTS
    flipped = bytearray(file.read_bytes())
    flipped[20] ^= 1
    file.write_bytes(flipped)
    again = run(store)
    assert again is not None
    assert not again.reused
    assert content(Path(again.path)) == expected
    assert "damaged and will be computed again" in caplog.text
    assert len(list(store.stages.glob("*.damaged-*"))) == 1


def test_a_flipped_bit_in_a_half_finished_stage_is_noticed(
    tmp_path: Path, expected: dict[str, bytes]
) -> None:
    store = Store(str(tmp_path))
    run(store, until=3)
    file = store.folder(PLAN.key) / ERRORS
    flipped = bytearray(file.read_bytes())
    flipped[3] ^= 1
    file.write_bytes(flipped)
    with opened(store, PLAN) as writer:
        assert writer.shards_done == 1
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


@pytest.mark.parametrize("done", ["", "[]", "{}", '{"files": 3}', '{"files": {"outputs.jsonl": "x"}}'])
def test_a_damaged_seal_is_noticed(tmp_path: Path, expected: dict[str, bytes], done: str) -> None:
    store = Store(str(tmp_path))
    run(store)
    (store.folder(PLAN.key) / "DONE.json").write_text(done)
    again = run(store)
    assert again is not None
    assert not again.reused
    assert content(Path(again.path)) == expected


def test_an_exception_inside_leaves_the_stage_resumable(tmp_path: Path, expected: dict[str, bytes]) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(ZeroDivisionError), opened(store, PLAN) as writer:
        writer.append([record("a"), record("b")], [], seconds=1.0, peak=7)
        raise ZeroDivisionError
    assert not (store.folder(PLAN.key) / "DONE.json").exists()
    ref = run(store)
    assert ref is not None
    assert content(Path(ref.path)) == expected


def test_the_second_writer_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with opened(store, PLAN), pytest.raises(StoreError, match=rf"process {os.getpid()} on .* since 20"):
        run(Store(str(tmp_path)))
    assert run(store) is not None


@pytest.mark.parametrize("ids", ["abcdef", "abcdefgh", "abcdfeg", "bacdefg", ""])
def test_the_partition_is_checked(tmp_path: Path, ids: str) -> None:
    store = Store(str(tmp_path))
    run(store, until=4)
    with opened(store, PLAN) as writer, pytest.raises(StoreError, match="asr"):
        writer.finish(iter(ids))
    assert not (store.folder(PLAN.key) / "DONE.json").exists()


def test_an_id_both_ok_and_quarantined_is_refused(tmp_path: Path) -> None:
    with opened(Store(str(tmp_path)), PLAN) as writer:
        writer.append([record("a")], [record("a")], seconds=1.0, peak=7)
        with pytest.raises(StoreError, match="'a'"):
            writer.finish("a")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Store]:
    store = Store(str(tmp_path))
    with opened(store, PLAN, records=False) as writer:
        (writer.path / "model.safetensors").write_bytes(b"weights")
        (writer.path / "checkpoint.pt").write_bytes(b"not part of the result")
        writer.seconds += 12.5
        writer.seal(["model.safetensors"], items=3)
    yield store


def test_a_stage_of_files_is_sealed_with_their_digests(model: Store) -> None:
    done = json.loads((model.folder(PLAN.key) / "DONE.json").read_text())
    assert list(done["files"]) == ["model.safetensors"]
    found = model.find(PLAN)
    assert found is not None
    assert (found.items, found.seconds) == (3, 12.5)
    (model.folder(PLAN.key) / "model.safetensors").write_bytes(b"Weights")
    assert model.find(PLAN) is None
