"""Leases: one writer per name on an object store, which has no locks.

``locks/<name>.json`` says who holds the lease of ``name``. Every change of it is a compare-and-swap: it
succeeds only where the object is still the one that was read, so of two that take a lease one gets it, and a
holder whose lease was taken over cannot renew it. A lease is free once it is released, its holder is known to
be dead, or it has not changed for a whole lease time *by the clock of the process that watches*: clocks of
machines are never compared. The object is never removed: a removal cannot be made to depend on what was read.

A lease saves work that two would do, it guards no bytes: a holder that is frozen right after ``check`` may
write late. So what is written under a lease is itself created where it is absent, or swapped.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.errors import AntiphonError, StoreError, TransientError
from components.files.files import utc_now
from components.files.json_text import parse_json
from components.storage.objects.object_store import ObjectStore
from components.storage.places.locks import LockWait, read_seconds

if TYPE_CHECKING:
    from obstore import UpdateVersion

log = logging.getLogger("antiphon.store")
_LOST_ANSWERS = 3
VARIABLE = "ANTIPHON_LEASE"
"""Names the lease time: seconds after which the stage of a dead machine is free; 60 by default."""


def lease_seconds() -> float:
    """Return the lease time in seconds that ANTIPHON_LEASE sets, 60 by default. ConfigError."""
    return read_seconds(VARIABLE, "60", 1, 86_400)


class Lease:
    """The right to write ``name``, renewed by a thread while it is held.

    Args:
        objects: where the lease objects are.
        name: what is leased.
        what: the same for messages.
        cache: identifier of the local mirror that the holder works in. Whoever asks holds the local lock of
            that mirror, so an earlier holder with the same mirror is dead.
    """

    def __init__(self, objects: ObjectStore, name: str, what: str, cache: str) -> None:
        self._objects = objects
        self._object_name = _object_name(name)
        self._what = what
        self._seconds = lease_seconds()
        self._claim: dict[str, Any] = {"token": secrets.token_hex(8), "cache": cache, "pid": os.getpid()}
        self._claim |= {"host": socket.gethostname(), "since": utc_now(), "beat": 0, "released": False}
        self._version: UpdateVersion | None = None
        self._renewed = 0.0
        self._lost: str | None = None
        self._over = threading.Event()

    @contextmanager
    def hold(self, waiting: LockWait) -> Iterator[None]:
        """Take the lease, renew it while the block runs, and release it.

        Raises:
            StoreError: another process still holds it at the end of the waiting time; the message names it.
        """
        self._take(waiting)
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._over.set()
            renewing.join()
            if self._lost is None:
                self._release()

    def check(self) -> None:
        """Confirm that the lease is still held; called before anything is written under it.

        Raises:
            StoreError: it was lost.
        """
        if self._lost is None and time.monotonic() - self._renewed > self._seconds:
            self._lost = f"it could not be renewed for {self._seconds:g} s"
        if self._lost is not None:
            raise StoreError(
                f"{self._what}: expected to be its only writer, found that its lease was lost: {self._lost}; "
                "what was finished is kept: run the same command again"
            )

    def _take(self, waiting: LockWait) -> None:
        while True:
            holder = self._read()
            if not self._is_free(holder):
                waiting.wait_or_raise(_describe_holder(holder))
            elif self._swap():
                return

    def _is_free(self, holder: dict[str, Any]) -> bool:
        """Return whether the lease may be taken over as it was last read; a holder is watched for a while."""
        version = self._version
        if version is None or holder.get("released") or holder.get("cache") == self._claim["cache"]:
            return True
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            time.sleep(self._seconds / 10)
            self._read()
            if self._version != version:
                return False
        return True

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                if not self._swap():
                    self._lost = f"{_describe_holder(self._read())} took it over"
                    return
            except AntiphonError as error:  # `check` ends the work when it has lasted too long
                log.warning("%s: the lease could not be renewed: %s", self._what, error)

    def _release(self) -> None:
        self._claim["released"] = True
        try:
            self._swap()
        except AntiphonError as error:  # what was written under the lease stands, and it runs out by itself
            log.warning("%s: the lease could not be released: %s", self._what, error)

    def _swap(self) -> bool:
        """Write the claim where the lease is still what was last read; return False where it is another's.

        Raises:
            TransientError: the store does not answer.
        """
        for _ in range(_LOST_ANSWERS):
            sent = time.monotonic()
            self._claim["beat"] += 1  # another version, whatever a version is made of
            claim = json.dumps(self._claim, sort_keys=True).encode()
            version = self._objects.update(self._object_name, claim, self._version)
            if version is not None:
                self._version, self._renewed = version, sent
                return True
            if self._read().get("token") != self._claim["token"]:
                return False
            # It was written and the answer was lost. When is not known: others may have waited since.
        raise TransientError(f"{self._what}: its lease: every answer of the store is lost on the way")

    def _read(self) -> dict[str, Any]:
        """Return who holds the lease, and note its version for the next swap."""
        stored = self._objects.read_object(self._object_name)
        self._version = None if stored is None else stored.version
        return {} if stored is None else _decode(stored.content)


def is_leased(objects: ObjectStore, name: str) -> bool:
    """Return whether somebody holds the lease ``name``, or did not live to release it.

    A lease that was not released counts until it has not been renewed for ten lease times, a quarter of an
    hour at least, by the clock of the object store that dates objects and of this machine.
    """
    stored = objects.read_object(_object_name(name))
    if stored is None or _decode(stored.content).get("released"):
        return False
    return time.time() - stored.modified < max(900.0, 10 * lease_seconds())


def _object_name(name: str) -> str:
    return f"locks/{name}.json"


def _describe_holder(claim: dict[str, Any]) -> str:
    return f"process {claim.get('pid')} on {claim.get('host')} since {claim.get('since')}"


def _decode(content: bytes) -> dict[str, Any]:
    try:
        claim = parse_json(content)
    except ValueError:
        return {}
    return claim if isinstance(claim, dict) else {}
