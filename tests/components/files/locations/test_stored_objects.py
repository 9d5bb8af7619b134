"""Objects of S3, over moto's server."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import pytest

from components.files.locations import fetched_files, stored_objects
from components.files.locations.location import MISSING, REFUSED, LocationError
from components.files.locations.opening import facts, open_local, open_location
from components.files.object_storage import clients
from tests.s3 import BUCKET


@pytest.fixture
def put(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    fetched_files.forget()
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

    def write(name: str, content: bytes) -> str:
        client.put_object(Bucket=BUCKET, Key=f"{s3_url.rpartition('/')[2]}/{name}", Body=content)
        return f"{s3_url}/{name}"

    return write


def test_objects_are_read_in_pieces(put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_objects, "PIECE_BYTES", 1000)
    content = os.urandom(3500)
    url = put("a b#1.wav", content)
    assert facts(url).size == 3500
    with open_location(url) as file:
        assert file.read() == content
    version = facts(url).version
    put("a b#1.wav", b"another")
    fetched_files.forget()
    assert facts(url).version != version
    assert open_local(url).read_bytes() == b"another"


def test_an_object_that_is_replaced_while_it_is_read_is_refused(
    put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_objects, "PIECE_BYTES", 1000)
    url = put("a.wav", bytes(3500))
    found = stored_objects.look_up(url)
    put("a.wav", b"another")
    monkeypatch.setattr(stored_objects, "look_up", lambda _: found)
    with (tmp_path / "x").open("wb") as target, pytest.raises(LocationError, match="the object as it was"):
        stored_objects.download(url, target, 10_000)


def test_what_is_not_there(put) -> None:
    for url, reason in (
        (f"s3://{BUCKET}/none.wav", MISSING),
        ("s3://no-such-bucket/a.wav", MISSING),
        (f"s3://{BUCKET}", REFUSED),
        ("s3:///a.wav", REFUSED),
        (f"s3://{BUCKET}/folder/", REFUSED),
    ):
        with pytest.raises(LocationError) as caught:
            open_local(url)
        assert caught.value.reason == reason
        assert "\n" not in str(caught.value)


def test_an_object_over_the_limit_is_refused(put, tmp_path: Path) -> None:
    url = put("a.wav", bytes(100))
    with (tmp_path / "x").open("wb") as target, pytest.raises(LocationError, match="at most 99 bytes"):
        stored_objects.download(url, target, 99)


def test_a_store_that_does_not_answer(put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(clients.RETRIES, "max_retries", 1)
    with pytest.raises(LocationError, match="the store does not answer") as caught:
        open_local("s3://x/a.wav")
    assert caught.value.reason == "unreachable audio"
    assert "\n" not in str(caught.value)
