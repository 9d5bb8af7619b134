"""The right to write a stage of an object store: what is damaged, lost or out of reach does not stop it."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.errors import StoreError, TransientError
from components.storage.objects import lease as leases
from components.storage.objects.lease import Lease, is_leased
from components.storage.objects.object_store import ObjectStore
from components.storage.places.locks import LockWait


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv(leases.VARIABLE, "1")
    return ObjectStore(f"memory://{uuid.uuid4().hex}")


def lease(objects: ObjectStore, cache: str = "mine") -> Lease:
    return Lease(objects, "x", "stage x", cache)


def stored(objects: ObjectStore) -> dict[str, object]:
    return dict(json.loads(objects.read("locks/x.json") or b""))


def test_nobody_holds_what_was_never_taken_or_was_released(objects: ObjectStore) -> None:
    assert not is_leased(objects, "x")
    for _ in range(2):
        with lease(objects).hold(LockWait("stage x", 0.1)):
            assert is_leased(objects, "x")
        assert not is_leased(objects, "x")
    assert objects.list_names("") == ["locks/x.json"]


def test_a_lease_that_cannot_be_read_counts_as_held_and_runs_out(objects: ObjectStore) -> None:
    objects.write("locks/x.json", b"{")
    assert is_leased(objects, "x")
    mine = lease(objects)
    mine._seconds = 0.05
    with mine.hold(LockWait("stage x", 5.0)):  # nobody renews it
        assert stored(objects)["released"] is False
    assert stored(objects)["released"] is True


def test_an_answer_that_was_lost_on_the_way_is_no_other_holder(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is written again: others may have watched since it was."""
    update, lost = objects.update, iter([True, False, True])

    def lose_answer(*arguments: Any) -> Any:
        version = update(*arguments)
        return None if next(lost, False) else version

    monkeypatch.setattr(objects, "update", lose_answer)
    mine = lease(objects)
    with mine.hold(LockWait("stage x", 0.1)):
        assert stored(objects)["beat"] == 2
        assert mine._swap()
        mine.check()
    assert not is_leased(objects, "x")


def test_whoever_is_renewed_is_waited_for(objects: ObjectStore) -> None:
    theirs = lease(objects, "theirs")
    waits: list[str] = []

    class Wait(LockWait):
        def wait_or_raise(self, holder: str) -> None:
            waits.append(holder)
            theirs._release()

    with theirs.hold(LockWait("stage x", 0.1)):
        claim = stored(objects)
        mine = lease(objects)
        mine._take(Wait("stage x", 5.0))
        with pytest.raises(StoreError, match=rf"its lease was lost: process {claim['pid']} on"):
            for _ in range(100):  # their next renewal finds that it is mine
                theirs.check()
                time.sleep(0.02)
    assert len(waits) == 1
    assert waits[0].startswith(f"process {claim['pid']} on {claim['host']}")
    assert stored(objects)["token"] == mine._claim["token"]  # they have not released it


def test_a_holder_that_was_frozen_does_not_get_its_lease_back(objects: ObjectStore) -> None:
    """It wakes up in the middle of a renewal, a lease time after another has taken the lease over."""
    frozen, other = lease(objects, "theirs"), lease(objects)
    frozen._take(LockWait("stage x", 0.1))
    other._seconds = 0.2
    with other.hold(LockWait("stage x", 5.0)):
        taken = stored(objects)
        assert not frozen._swap()
        assert stored(objects)["token"] == taken["token"]
        frozen._renewed -= 10
        with pytest.raises(StoreError, match="its lease was lost"):
            frozen.check()
        other.check()


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_of_many_at_once_one_holds_it(
    request: pytest.FixtureRequest, objects: ObjectStore, store: str
) -> None:
    if store == "s3":
        objects = ObjectStore(request.getfixturevalue("s3_url"))
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(2):
            mine = lease(objects, f"cache {number}")
            with mine.hold(LockWait("stage x", 60.0)):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.005)
                mine.check()
                inside.remove(number)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert most == [1] * 6


def test_a_store_that_does_not_answer_for_a_while_is_told_and_stops_nothing(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the store does not answer")

    owned = lease(objects)
    with owned.hold(LockWait("stage x", 0.1)):
        monkeypatch.setattr(objects, "update", refuse)
        until = time.monotonic() + 5.0
        while "could not be renewed" not in caplog.text and time.monotonic() < until:
            time.sleep(0.01)  # a renewal is due every third of a second
        owned.check()
    assert "stage x: the lease could not be renewed: the store does not answer" in caplog.text
    assert "stage x: the lease could not be released: the store does not answer" in caplog.text
    assert is_leased(objects, "x")
