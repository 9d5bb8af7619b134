"""Objects below an fsspec URL (``s3://bucket/folder``, ``memory://name``): whole reads and writes by name.

An object store knows no rename and no lock. It has atomic whole writes and, in ``create``, writes that
succeed for one writer only (``If-None-Match`` on S3); the store needs no more than that.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from fsspec.core import url_to_fs

from components.errors import AntiphonError, ConfigError, StoreError, TransientError
from components.files.redaction import redact

log = logging.getLogger("antiphon.store")
T = TypeVar("T")

RETRY_DELAYS = (1.0, 5.0, 20.0)
"""Seconds before each retry after a transient error; the client has retried several times by then."""

_TRANSIENT_ERRNO = {
    errno.EIO,
    errno.EBUSY,
    errno.EAGAIN,
    errno.ETIMEDOUT,
    getattr(errno, "EREMOTEIO", errno.EIO),
}
_TRANSIENT_NAMES = {"EndpointConnectionError", "HTTPClientError", "ConnectionError", "ClientConnectionError"}
_TRANSIENT_NAMES |= {"ResponseParserError", "IncompleteReadError", "ClientPayloadError"}


class ObjectStore:
    """The objects below ``url``; safe to share between threads.

    Names are relative, with ``/``. Every method raises StoreError, or TransientError where the store does not
    answer after several tries.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            # Listings are not cached: another machine may have written since.
            self._fs, base = url_to_fs(self.url, use_listings_cache=False)
        except Exception as error:  # every client has its own
            raise ConfigError(
                f"store: expected a path or an fsspec URL whose client is installed, found {redact(url)!r}: "
                f"{redact(' '.join(str(error).split()))}; for s3:// pip install 'antiphon[s3]'"
            ) from error
        self._base = base.rstrip("/")

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None where there is none."""

        def attempt() -> bytes | None:
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return None

        return self._retry(attempt, name)

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name."""
        return self._retry(lambda: bool(self._fs.exists(self._path(name))), name)

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whether or not there is one."""
        self._retry(lambda: self._fs.pipe_file(self._path(name), content), name)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; return False where it is.

        Of several writers at once, one gets True. A writer that is cut off from the answer to its own write
        may get False: callers must be able to live with that.
        """

        def attempt() -> bool:
            try:
                self._fs.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
            return True

        return self._retry(attempt, name)

    def list_names(self, folder: str) -> list[str]:
        """Return the names of all objects below a folder, sorted."""

        def attempt() -> list[str]:
            try:
                paths = self._fs.find(self._path(folder))
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return []
            return sorted(path[len(self._base) + 1 :] for path in paths)

        return self._retry(attempt, folder)

    def list_facts(self, folder: str) -> dict[str, tuple[int, float]]:
        """Return size in bytes and time of the last write (in seconds since 1970) of all objects below."""

        def attempt() -> dict[str, tuple[int, float]]:
            try:
                listing = self._fs.find(self._path(folder), detail=True)
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return {}
            return {
                path[len(self._base) + 1 :]: (int(facts["size"]), _modification_time(facts))
                for path, facts in sorted(listing.items())
            }

        return self._retry(attempt, folder)

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""

        def attempt() -> list[str]:
            try:
                entries = self._fs.ls(self._path(folder), detail=True)
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return []
            return sorted(Path(e["name"]).name for e in entries if e["type"] == "directory")

        return self._retry(attempt, folder)

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file into an object."""
        self._retry(lambda: self._fs.put_file(str(path), self._path(name)), name)

    def download(self, name: str, path: Path) -> bool:
        """Copy an object into a new local file; return False where there is none."""

        def attempt() -> bool:
            try:
                self._fs.get_file(self._path(name), str(path))
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                return False
            return True

        return self._retry(attempt, name)

    def copy(self, old: str, new: str) -> None:
        """Copy an object to another name."""
        self._retry(lambda: self._fs.cp_file(self._path(old), self._path(new)), old)

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""

        def attempt() -> None:
            if self._fs.exists(self._path(name)):
                self._fs.rm_file(self._path(name))

        self._retry(attempt, name)

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _retry(self, call: Callable[[], T], name: str) -> T:
        """Call a client's function, again after transient errors; other errors become one clear line."""
        for wait in (*RETRY_DELAYS, None):
            try:
                return call()
            except Exception as error:
                fault = self._translate_error(error, name)
                if wait is None or not isinstance(fault, TransientError):
                    raise fault from error
                log.warning("%s; trying again in %g s", fault, wait)
                time.sleep(wait)
        raise AssertionError  # the last wait is None

    def _translate_error(self, error: Exception, name: str) -> AntiphonError:
        """Translate a client's error into ours: every client has its own classes."""
        names = {kind.__name__ for kind in type(error).__mro__}
        detail = redact(" ".join(str(error).split())) or type(error).__name__
        at = f"{self.url}/{name}"
        if isinstance(error, FileNotFoundError):
            return StoreError(
                f"{at}: expected a bucket that exists, found: {detail}; make it, or check --store"
            )
        if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
            return StoreError(
                f"{at}: expected credentials that may read and write here, found: {detail}; set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        passing = isinstance(error, (ConnectionError, TimeoutError)) or bool(names & _TRANSIENT_NAMES)
        if passing or (isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO):
            endpoint = os.environ.get("AWS_ENDPOINT_URL")
            where = f" (AWS_ENDPOINT_URL={redact(endpoint)})" if endpoint else ""
            return TransientError(f"{at}: the store does not answer{where}: {detail}")
        return StoreError(f"{at}: {type(error).__name__}: {detail}")


def _is_missing_bucket(error: BaseException) -> bool:
    """Return whether the bucket is missing, and not just one object in it."""
    return type(error.__cause__).__name__ == "NoSuchBucket"


def _modification_time(facts: Mapping[str, Any]) -> float:
    """Return when an object was last written, from what a client says of it; 0 where it does not."""
    stated = facts.get("LastModified", facts.get("created", 0.0))
    return float(stated.timestamp()) if isinstance(stated, datetime) else float(stated)
