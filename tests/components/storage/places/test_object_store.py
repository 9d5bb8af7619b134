"""What an object store is asked for, over S3 and in memory, and what its failures say."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from components.errors import AntiphonError, ConfigError, StoreError, TransientError
from components.storage.places import object_store
from components.storage.places.location import local_root
from components.storage.places.object_store import ObjectStore


@pytest.fixture(params=["memory", "s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "s3":
        return ObjectStore(request.getfixturevalue("s3_url"))
    if request.param == "file":
        (tmp_path / "objects").mkdir()
        return ObjectStore(f"file://{tmp_path}/objects")
    return ObjectStore(f"memory://{uuid.uuid4().hex}/a b")


def test_whole_objects_by_name(store: ObjectStore, tmp_path: Path) -> None:
    assert store.read("a/x") is None
    assert store.list_names("a") == store.list_folders("a") == []
    (tmp_path / "x").write_bytes(b"one")
    (tmp_path / "at").mkdir()
    if store.url.startswith("file"):
        (tmp_path / "objects" / "a" / "b").mkdir(parents=True)
    store.upload(tmp_path / "x", "a/x")
    store.write("a/b/y", b"two")
    store.write("a/b/y", b"three")
    assert (store.read("a/x"), store.read("a/b/y")) == (b"one", b"three")
    assert store.list_names("a") == ["a/b/y", "a/x"]
    assert store.list_folders("a") == ["b"]
    store.download("a/b/y", tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"three"
    store.remove("a/x")
    store.remove("a/x")
    assert store.list_names("a") == ["a/b/y"]


@pytest.mark.parametrize("store", ["memory", "s3"], indirect=True)
def test_one_of_many_creates(store: ObjectStore) -> None:
    made: list[int] = []
    start = threading.Barrier(8)

    def create(number: int) -> None:
        start.wait()
        if store.create("lock", str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert store.read("lock") == str(made[0]).encode()


def test_a_bucket_that_is_not_there(s3_url: str, tmp_path: Path) -> None:
    missing = ObjectStore("s3://no-such-bucket/x")
    for call in (
        missing.read,
        missing.list_names,
        missing.list_folders,
        missing.list_facts,
        lambda name: missing.download(name, tmp_path / "x"),
        lambda name: missing.write(name, b""),
    ):
        with pytest.raises(StoreError, match=r"^s3://no-such-bucket/x/a: expected a bucket that exists"):
            call("a")


def test_credentials_that_are_missing_or_refused(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match=r"expected credentials that may .* here, found: Unable to"):
        ObjectStore(s3_url).write("a", b"")
    s3fs.S3FileSystem.clear_instance_cache()

    def refuse(path: str) -> bytes:
        raise PermissionError("Access Denied")

    store = ObjectStore("memory://refused")
    monkeypatch.setattr(store._fs, "cat_file", refuse)
    with pytest.raises(StoreError, match="found: Access Denied; set AWS_ACCESS_KEY_ID"):
        store.read("a")


def test_what_may_pass_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(object_store, "RETRY_DELAYS", (0.0, 0.0))
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    store.write("a", b"content")
    failures = [ConnectionResetError("reset"), TimeoutError("timed out")]
    read = store._fs.cat_file

    def flaky(path: str) -> bytes:
        if failures:
            raise failures.pop()
        return bytes(read(path))

    monkeypatch.setattr(store._fs, "cat_file", flaky)
    assert store.read("a") == b"content"
    assert caplog.text.count("the store does not answer") == 2
    failures += [TimeoutError(f"{n}") for n in range(3)]
    with pytest.raises(TransientError, match=r"/a: the store does not answer: 0$"):
        store.read("a")


def test_nobody_listens(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setattr(object_store, "RETRY_DELAYS", ())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(TransientError, match=r"does not answer \(AWS_ENDPOINT_URL=http://127.0.0.1:9\)"):
        ObjectStore(s3_url).read("a")
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file://elsewhere/x", "on another host"),
        ("s3://key:secret@bucket/x", r"without credentials .*found s3://\*\*\*@bucket"),
        ("s3:///x", "without a bucket"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        local_root(url)
    assert "secret" not in str(refused.value)


def test_a_client_that_is_not_installed() -> None:
    with pytest.raises(AntiphonError, match="expected a path or an fsspec URL whose client is installed"):
        ObjectStore("nosuchscheme://bucket/x")


def test_secrets_in_what_a_client_says_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore("memory://x")

    def refuse(path: str) -> bytes:
        raise ValueError("https://user:SECRET@host/x?X-Amz-Signature=SECRET")

    monkeypatch.setattr(store._fs, "cat_file", refuse)
    with pytest.raises(StoreError, match=r"https://\*\*\*@host/x\?X-Amz-Signature=\*\*\*"):
        store.read("a")
