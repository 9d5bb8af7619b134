"""Objects below a URL (``s3://bucket/folder``, ``memory://name``): whole reads and writes by name.

An object store knows no rename and no lock. It has atomic whole writes, and writes that succeed only where
an object is absent (``create``) or is still the one that was read (``update``); the store needs no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from components.errors import TransientError
from components.files.object_storage.client_errors import is_missing_bucket, to_store_error
from components.files.object_storage.clients import open_client
from components.files.object_storage.interruptible import call_interruptibly
from components.storage.store_files import FileFacts

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutResult, UpdateVersion

T = TypeVar("T")

_CONFLICT_DELAYS = (0.2, 1.0, 5.0)
"""Seconds before a create is sent again that met another request; the client repeats the rest by itself."""

_PART_BYTES = 8 << 20
_MAX_PARTS = 9_000  # S3 takes 10,000
_PARTS_AT_ONCE = 4  # each must go out within the read timeout, on a slow line, too


class StoredObject(NamedTuple):
    """An object as it was read.

    Attributes:
        content: its bytes.
        version: what ``update`` compares.
        modified: when it was written, in seconds since 1970 by the store's clock.
    """

    content: bytes
    version: UpdateVersion
    modified: float


class ObjectStore:
    """The objects below ``url``; safe to share between threads.

    Names are relative, with ``/``. Every method raises StoreError, or TransientError where the store does not
    answer after several tries.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client = open_client(self.url)

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None where there is none."""
        stored = self.read_object(name)
        return None if stored is None else stored.content

    def read_object(self, name: str) -> StoredObject | None:
        """Return an object with its version; None where there is none."""

        def get() -> StoredObject:
            result = obstore.get(self._client, name)
            content, meta = bytes(result.bytes()), result.meta
            return StoredObject(content, _version_of(meta), meta["last_modified"].timestamp())

        return self._find(name, get)

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name."""
        return self._find(name, lambda: obstore.head(self._client, name)) is not None

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whether or not there is one."""
        self._ask(name, lambda: obstore.put(self._client, name, content, mode="overwrite"))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; return False where it is.

        Of several writers at once, one gets True. A writer that is cut off from the answer to its own write
        may get False: callers must be able to live with that.
        """
        return self.update(name, content, None) is not None

    def update(self, name: str, content: bytes, version: UpdateVersion | None) -> UpdateVersion | None:
        """Write an object that is still the one that was read (compare and swap).

        Args:
            name: the object.
            content: its new bytes.
            version: the version that was read; None for an object that is not there.

        Returns:
            Its new version; None where it is another by now, or gone. A writer that is cut off from the
            answer to its own write may get None, and the object its bytes.
        """
        for wait in (*_CONFLICT_DELAYS, None):
            try:
                put = partial(obstore.put, self._client, name, content, mode=version or "create")
                return _version_of(self._ask(name, put))
            except (AlreadyExistsError, PreconditionError) as error:
                # S3 refuses a create beside a removal that is under way as it does one that came second.
                if version is not None or self.exists(name):
                    return None
                if wait is None:
                    raise TransientError(f"{self.url}/{name}: another write of it is under way") from error
            time.sleep(wait)
        raise AssertionError  # the last wait is None

    def list_names(self, folder: str) -> list[str]:
        """Return the names of all objects below a folder, sorted."""
        return sorted(meta["path"] for meta in self._list(folder))

    def list_facts(self, folder: str = "") -> dict[str, FileFacts]:
        """Return size and time of the last write of all objects below a folder."""
        facts = {
            meta["path"]: FileFacts(meta["size"], meta["last_modified"].timestamp())
            for meta in self._list(folder)
        }
        return dict(sorted(facts.items()))

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        listing = self._ask(folder, lambda: obstore.list_with_delimiter(self._client, folder or None))
        return sorted(PurePosixPath(path).name for path in listing["common_prefixes"])

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file into an object, a large one in parts; it is seen whole or not at all."""
        part = max(_PART_BYTES, path.stat().st_size // _MAX_PARTS)
        put = partial(obstore.put, self._client, name, path)
        self._ask(name, lambda: put(chunk_size=part, max_concurrency=_PARTS_AT_ONCE))

    def download(self, name: str, path: Path) -> bool:
        """Copy an object into a new local file; return False where there is none."""
        chunks = self._find(name, lambda: obstore.get(self._client, name).stream(_PART_BYTES))
        if chunks is None:
            return False
        with path.open("wb") as file:
            while chunk := self._ask(name, lambda: next(chunks, None)):
                file.write(chunk)
        return True

    def copy(self, old: str, new: str) -> None:
        """Copy an object to another name."""
        self._ask(old, lambda: obstore.copy(self._client, old, new))

    def remove(self, *names: str) -> None:
        """Remove objects, where there are any; many at once, in no order."""
        done = self._find(names[0] if len(names) == 1 else "", lambda: self._delete(names))
        if not done and len(names) > 1:  # some services stop at the first that is gone
            for name in names:
                self.remove(name)

    def _delete(self, names: Sequence[str]) -> bool:
        obstore.delete(self._client, names)
        return True

    def _list(self, folder: str) -> list[ObjectMeta]:
        def collect() -> list[ObjectMeta]:
            return [meta for batch in obstore.list(self._client, folder or None) for meta in batch]

        return self._ask(folder, collect)

    def _find(self, name: str, call: Callable[[], T]) -> T | None:
        """Return the client's answer about an object; None where there is no such object."""

        def attempt() -> T | None:
            try:
                return call()
            except FileNotFoundError as error:
                if is_missing_bucket(error):
                    raise
                return None

        return self._ask(name, attempt)

    def _ask(self, name: str, call: Callable[[], T]) -> T:
        """Return the client's answer; its errors become ours, but for those of a condition that failed."""
        try:
            return call_interruptibly(call)
        except (BaseError, OSError, ValueError) as error:
            lost = isinstance(error, (AlreadyExistsError, PreconditionError))
            if lost and not is_missing_bucket(error):
                raise
            raise to_store_error(error, self.url, name) from error


def _version_of(stated: ObjectMeta | PutResult) -> UpdateVersion:
    """Return what identifies a version: an ETag, or Google's generation, or both."""
    version: UpdateVersion = {}
    if stated["e_tag"] is not None:
        version["e_tag"] = stated["e_tag"]
    if stated["version"] is not None:
        version["version"] = stated["version"]
    return version
