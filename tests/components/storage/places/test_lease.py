"""The right to write a stage of an object store: what is damaged, lost or out of reach does not stop it."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from components.errors import TransientError
from components.storage.places import lease as leases
from components.storage.places.lease import Lease, is_leased
from components.storage.places.locks import LockWait
from components.storage.places.object_store import ObjectStore


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv(leases.VARIABLE, "1")
    return ObjectStore(f"memory://{uuid.uuid4().hex}")


def lease(objects: ObjectStore, cache: str = "mine") -> Lease:
    return Lease(objects, "x", "stage x", cache)


def latest(objects: ObjectStore) -> dict[str, object]:
    return dict(json.loads(objects.read(max(objects.list_names("locks/x"))) or b""))


def test_nobody_holds_what_was_never_taken_or_was_released(objects: ObjectStore) -> None:
    assert not is_leased(objects, "x")
    with lease(objects).hold(LockWait("stage x", 0.1)):
        assert is_leased(objects, "x")
    assert not is_leased(objects, "x")


def test_a_lease_that_cannot_be_read_counts_as_held_and_runs_out(objects: ObjectStore) -> None:
    objects.write("locks/x/000001.json", b"{")
    assert is_leased(objects, "x")
    mine = lease(objects)
    mine._seconds = 0.05
    with mine.hold(LockWait("stage x", 5.0)):  # nobody renews it
        assert len(objects.list_names("locks/x")) == 2
    assert latest(objects)["released"] is True


def test_an_answer_that_was_lost_on_the_way_is_no_other_holder(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = objects.create

    def lose_answer(name: str, content: bytes) -> bool:
        create(name, content)
        return False

    monkeypatch.setattr(objects, "create", lose_answer)
    with lease(objects).hold(LockWait("stage x", 0.1)):
        assert objects.list_names("locks/x") == ["locks/x/000001.json"]


def test_whoever_is_renewed_is_waited_for(objects: ObjectStore) -> None:
    with lease(objects, "theirs").hold(LockWait("stage x", 0.1)):
        claim = latest(objects)
        waits: list[str] = []

        class Wait(LockWait):
            def wait_or_raise(self, holder: str) -> None:
                waits.append(holder)
                objects.write("locks/x/000001.json", json.dumps({**claim, "released": True}).encode())

        other = lease(objects)
        other._take(Wait("stage x", 5.0))
    assert len(waits) == 1
    assert waits[0].startswith(f"process {claim['pid']} on {claim['host']}")


def test_a_store_that_does_not_answer_for_a_while_is_told_and_stops_nothing(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the store does not answer")

    owned = lease(objects)
    with owned.hold(LockWait("stage x", 0.1)):
        monkeypatch.setattr(objects, "write", refuse)
        until = time.monotonic() + 5.0
        while "could not be renewed" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)  # a renewal is due every third of a second
        owned.check()
    assert "stage x: the lease could not be renewed: the store does not answer" in caplog.text
    assert "stage x: the lease could not be released: the store does not answer" in caplog.text
    assert is_leased(objects, "x")
