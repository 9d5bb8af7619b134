"""What an object store is asked for, over S3 and in memory: whole objects, and writes on a condition."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import StoreError, TransientError
from components.storage.objects import object_store
from components.storage.objects.object_store import ObjectStore
from tests.components.files.object_storage.scripted_server import Answer, scripted_server


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "s3":
        return ObjectStore(request.getfixturevalue("s3_url"))
    return ObjectStore(f"memory://{uuid.uuid4().hex}/a b")


def run_together(*calls: Callable[[], None]) -> None:
    """Run each call in a thread of its own; all begin at once."""
    start = threading.Barrier(len(calls))

    def begin(call: Callable[[], None]) -> None:
        start.wait()
        call()

    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(begin, calls))


def test_whole_objects_by_name(store: ObjectStore, tmp_path: Path) -> None:
    assert store.read("a/x") is None
    assert store.list_names("a") == store.list_folders("a") == []
    (tmp_path / "x").write_bytes(b"one")
    store.upload(tmp_path / "x", "a/x")
    store.write("a/b/ü%20#?.y", b"two")
    store.write("a/b/ü%20#?.y", b"three")
    assert (store.read("a/x"), store.read("a/b/ü%20#?.y")) == (b"one", b"three")
    assert store.list_names("a") == store.list_names("") == ["a/b/ü%20#?.y", "a/x"]
    assert {name: size for name, (size, _) in store.list_facts("a").items()} == {"a/b/ü%20#?.y": 5, "a/x": 3}
    assert (store.list_folders("a"), store.list_folders("")) == (["b"], ["a"])
    assert store.download("a/b/ü%20#?.y", tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"three"
    assert not store.download("a/z", tmp_path / "z")
    store.copy("a/x", "c/x")
    store.remove("a/x", "a/never")
    store.remove("a/x")
    assert store.list_names("") == ["a/b/ü%20#?.y", "c/x"]


def test_a_large_file_goes_up_in_parts(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_PART_BYTES", 5 << 20)  # the least that S3 takes
    content = bytes(range(256)) * 50_000
    (tmp_path / "x").write_bytes(content)
    store.upload(tmp_path / "x", "x")
    assert store.download("x", tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == content
    (tmp_path / "x").write_bytes(b"")
    store.upload(tmp_path / "x", "x")
    assert store.download("x", tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b""


def test_an_update_needs_the_version_that_was_read(store: ObjectStore) -> None:
    assert store.create("x", b"1")
    assert not store.create("x", b"2")
    first = store.read_object("x")
    version = store.update("x", b"2", first.version)
    assert version is not None
    assert store.update("x", b"3", first.version) is None
    assert store.update("x", b"3", version) is not None
    assert store.read("x") == b"3"
    store.remove("x")
    assert store.update("x", b"4", version) is None
    assert store.read_object("x") is None


def test_one_of_many_creates(store: ObjectStore) -> None:
    made: list[int] = []

    def create(number: int) -> Callable[[], None]:
        return lambda: made.append(number) if store.create("lock", str(number).encode()) else None

    run_together(*map(create, range(8)))
    assert len(made) == 1
    assert store.read("lock") == str(made[0]).encode()


@given(
    counts=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    begin=st.sampled_from([None, b"0"]),
    removals=st.integers(0, 2),
)
def test_no_update_is_lost(counts: list[int], begin: bytes | None, removals: int) -> None:
    """Threads that swap and remove one object leave it as some order of what they did would."""
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    if begin is not None:
        store.write("x", begin)
    written: list[bytes] = []

    def add(number: int) -> Callable[[], None]:
        def run() -> None:
            for step in range(counts[number]):
                while True:
                    old = store.read_object("x")
                    new = (b"" if old is None else old.content) + f" {number}.{step}".encode()
                    if store.update("x", new, None if old is None else old.version) is not None:
                        written.append(new)
                        break

        return run

    run_together(*map(add, range(len(counts))), *[lambda: store.remove("x")] * removals)
    assert len(written) == sum(counts)
    assert len(set(written)) == len(written)
    ends = {tuple(content.removeprefix(b"0").split()) for content in written} | {()}
    assert all(words[:-1] in ends for words in ends)  # each was made from one that was whole
    if not removals:
        assert len((store.read("x") or b"").removeprefix(b"0").split()) == sum(counts)


def test_a_request_is_sent_again_after_a_passing_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_server(monkeypatch, Answer(503, "SlowDown"), Answer.CUT, Answer(200, body=b"x")) as server:
        assert ObjectStore("s3://b/f").read("a") == b"x"
    assert server.requests == ["GET /b/f/a"] * 3


@pytest.mark.parametrize("fault", [Answer.CUT, Answer(500, "InternalError")])
def test_a_conditional_write_is_sent_again(monkeypatch: pytest.MonkeyPatch, fault: Answer) -> None:
    with scripted_server(monkeypatch, fault, Answer(200)) as server:
        assert ObjectStore("s3://b/f").create("a", b"1")
    assert server.requests == ["PUT /b/f/a"] * 2


def test_a_conflict_without_an_object_is_no_other_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 answers 409 to a create beside a removal that is under way: nothing was written."""
    monkeypatch.setattr(object_store, "_CONFLICT_DELAYS", (0.0,))
    conflict = Answer(409, "ConditionalRequestConflict")
    with scripted_server(monkeypatch, conflict, Answer(404), Answer(200)) as server:
        assert ObjectStore("s3://b/f").create("a", b"1")
    assert server.requests == ["PUT /b/f/a", "HEAD /b/f/a", "PUT /b/f/a"]
    with (
        scripted_server(monkeypatch, *[conflict, Answer(404)] * 2),
        pytest.raises(TransientError, match="s3://b/f/a: another write of it is under way"),
    ):
        ObjectStore("s3://b/f").create("a", b"1")


def test_a_bucket_that_is_not_there(s3_url: str, tmp_path: Path) -> None:
    missing = ObjectStore("s3://no-such-bucket/x")
    for call in (
        missing.read,
        missing.list_names,
        missing.list_folders,
        missing.list_facts,
        missing.remove,
        lambda name: missing.download(name, tmp_path / "x"),
        lambda name: missing.write(name, b""),
        lambda name: missing.create(name, b""),
        lambda name: missing.update(name, b"", {"e_tag": '"0"'}),
        lambda name: missing.copy(name, "b"),
    ):
        with pytest.raises(StoreError, match=r"^s3://no-such-bucket/x/a: expected a bucket that exists"):
            call("a")
