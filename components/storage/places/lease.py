"""Leases: one writer per stage on an object store, which has no locks.

``locks/<name>/000007.json`` is the seventh lease of ``name``; the highest number is the one that counts. A
lease is taken by creating the next number, which succeeds for one process only, once the highest is released,
its holder is known to be dead, or it has not changed for a whole lease time *by the clock of the process that
watches*: clocks of machines are never compared. A holder that finds a higher number, or could not renew for a
lease time, has lost its lease and writes nothing more.
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
from typing import Any

from components.errors import AntiphonError, ConfigError, StoreError
from components.files.files import utc_now
from components.files.json_text import parse_json
from components.storage.places.locks import LockWait
from components.storage.places.object_store import ObjectStore

log = logging.getLogger("antiphon.store")
VARIABLE = "ANTIPHON_LEASE"
"""Names the lease time: seconds after which the stage of a dead machine is free; 60 by default."""


def lease_seconds() -> float:
    """Return the lease time in seconds that ANTIPHON_LEASE sets, 60 by default.

    Raises:
        ConfigError: it is not a number from 1 to 86,400.
    """
    text = os.environ.get(VARIABLE) or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds < 86_400:
        raise ConfigError(f"{VARIABLE}: expected seconds, at least 1, found {text!r}")
    return seconds


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
        self._folder = f"locks/{name}"
        self._what = what
        self._seconds = lease_seconds()
        self._claim: dict[str, Any] = {"token": secrets.token_hex(8), "cache": cache, "pid": os.getpid()}
        self._claim |= {"host": socket.gethostname(), "since": utc_now(), "beat": 0}
        self._object_name = ""
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
            latest = self._latest()
            number = 0 if latest is None else int(latest[-11:-5])
            if latest is not None:
                holder = self._read(latest)
                if holder.get("token") == self._claim["token"]:  # created, but the answer was lost
                    break
                if not self._is_free(latest, holder):
                    waiting.wait_or_raise(_describe_holder(holder))
                    continue
            self._object_name = f"{self._folder}/{number + 1:06d}.json"
            if self._objects.create(self._object_name, _encode(self._claim)):
                break
        self._renewed = time.monotonic()

    def _is_free(self, name: str, holder: dict[str, Any]) -> bool:
        if holder.get("released") or holder.get("cache") == self._claim["cache"]:
            return True
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            time.sleep(self._seconds / 10)
            if self._read(name) != holder:
                return False
        return True

    def _renew(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                latest = self._latest()
                if latest != self._object_name:
                    other = self._read(latest) if latest else {}
                    self._lost = f"{_describe_holder(other)} took it over"
                    return
                self._claim["beat"] += 1
                self._objects.write(self._object_name, _encode(self._claim))
                self._renewed = time.monotonic()
            except AntiphonError as error:  # `check` ends the work when it has lasted too long
                log.warning("%s: the lease could not be renewed: %s", self._what, error)

    def _release(self) -> None:
        """Mark the lease as released.

        It is not removed: numbers only go up, or a holder that comes back late could write over another's
        lease.
        """
        try:
            self._objects.write(self._object_name, _encode(self._claim | {"released": True}))
            for name in self._objects.list_names(self._folder):
                if name < self._object_name:
                    self._objects.remove(name)
        except AntiphonError as error:  # what was written under the lease stands, and it runs out by itself
            log.warning("%s: the lease could not be released: %s", self._what, error)

    def _latest(self) -> str | None:
        return max(self._objects.list_names(self._folder), default=None)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            claim = parse_json(self._objects.read(name) or b"{}")
        except ValueError:
            return {}
        return claim if isinstance(claim, dict) else {}


def is_leased(objects: ObjectStore, name: str) -> bool:
    """Return whether somebody holds the lease ``name``, or did not live to release it.

    A lease that was not released counts until it has not been renewed for ten lease times, a quarter of an
    hour at least, by the clock of the object store that dates objects and of this machine.
    """
    facts = objects.list_facts(f"locks/{name}")
    if not facts:
        return False
    latest = max(facts)
    try:
        claim = parse_json(objects.read(latest) or b"{}")
    except ValueError:
        claim = {}
    renewed = facts[latest][1]
    return not claim.get("released") and time.time() - renewed < max(900.0, 10 * lease_seconds())


def _describe_holder(claim: dict[str, Any]) -> str:
    return f"process {claim.get('pid')} on {claim.get('host')} since {claim.get('since')}"


def _encode(claim: dict[str, Any]) -> bytes:
    return json.dumps(claim, sort_keys=True).encode()
