"""Objects of S3, Google and Azure storage, read piece by piece with the credentials of the environment."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from components.errors import AntiphonError, ConfigError, TransientError
from components.files.locations.clients import RemoteFile
from components.files.locations.location import (
    MISSING,
    REFUSED,
    UNREACHABLE,
    UNREADABLE,
    LocationError,
    too_large,
)
from components.files.object_storage.interruptible import call_interruptibly
from components.files.redaction import redact

if TYPE_CHECKING:
    from components.files.object_storage.clients import Client

PIECE_BYTES = 8 << 20
"""Read at a time: none of them takes longer than a client waits."""


def check(url: str) -> None:
    """Refuse a URL that names no object; asks nobody. LocationError."""
    _split(url)


def look_up(url: str) -> RemoteFile:
    """Return the size and version of an object without its content.

    Raises:
        LocationError: there is none, or it may not be read.
    """
    import obstore  # noqa: PLC0415 - only where objects are read

    bucket, name = _split(url)
    try:
        facts: Any = call_interruptibly(lambda: obstore.head(_connect(bucket), name))
    except AntiphonError:
        raise
    except Exception as error:
        raise _translate(url, error) from error
    modified = facts["last_modified"].timestamp()
    return RemoteFile(int(facts["size"]), f"{facts.get('e_tag') or modified} {facts['size']}")


def download(url: str, target: IO[bytes], limit: int) -> RemoteFile:
    """Write an object's content into ``target``; its size and version.

    Raises:
        LocationError: there is none, it may not be read, has more than ``limit`` bytes, or was replaced.
    """
    import obstore  # noqa: PLC0415 - as above

    bucket, name = _split(url)
    facts = look_up(url)
    size = facts.size or 0
    if size > limit:
        raise too_large(url, limit)
    store, tag = _connect(bucket), (facts.version or "").rpartition(" ")[0]
    for begin in range(0, size, PIECE_BYTES):
        options: Any = {"range": (begin, min(size, begin + PIECE_BYTES))}
        if tag.startswith(('"', "W/")):
            options["if_match"] = tag
        try:
            piece = call_interruptibly(
                lambda options=options: obstore.get(store, name, options=options).bytes()  # type: ignore[misc]
            )
            if len(piece) != options["range"][1] - begin:
                raise LocationError(url, *_REPLACED, reason=UNREADABLE)
            target.write(piece)
        except AntiphonError:
            raise
        except OSError as error:
            if error.errno is not None:  # of the disk
                raise
            raise _translate(url, error) from error
        except Exception as error:
            raise _translate(url, error) from error
    return facts


def _split(url: str) -> tuple[str, str]:
    """Return ``s3://bucket`` and the name of the object."""
    scheme, _, rest = url.partition("://")
    bucket, _, name = rest.partition("/")
    if redact(url) != url and "@" in bucket:
        raise LocationError(url, "expected no user name in a URL, found one", "leave it out", reason=REFUSED)
    if not bucket or not name or name.endswith("/"):
        raise LocationError(
            url, f"expected {scheme}://BUCKET/NAME, found another", "correct it", reason=REFUSED
        )
    return f"{scheme}://{bucket}", name


def _connect(bucket: str) -> Client:
    settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_PREFIXES)))
    return _connect_as(bucket, settings)


_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")


@lru_cache(maxsize=64)
def _connect_as(bucket: str, settings: tuple[tuple[str, str], ...]) -> Client:
    """Return the client of a bucket for what the environment says."""
    del settings  # another environment is another client
    from components.files.object_storage.clients import open_client  # noqa: PLC0415 - loads obstore

    try:
        return open_client(bucket)
    except ConfigError as error:
        raise LocationError(bucket, str(error), "correct them", reason=REFUSED) from error


_REPLACED = ("expected the object as it was, found another", "load it again")


def _translate(url: str, error: Exception) -> LocationError:
    """Return an error of the client in one line."""
    from components.files.object_storage.client_errors import (  # noqa: PLC0415 - as above
        is_missing_bucket,
        to_store_error,
    )

    if isinstance(error, FileNotFoundError) or is_missing_bucket(error):
        return LocationError(url, "expected an object, found none", "check its name", reason=MISSING)
    if type(error).__name__ == "PreconditionError":
        return LocationError(url, *_REPLACED, reason=UNREADABLE)
    bucket, name = _split(url)
    fault = to_store_error(error, bucket, name)
    reason = UNREACHABLE if isinstance(fault, TransientError) else REFUSED
    return LocationError(url, str(fault).removeprefix(f"{bucket}/{name}: "), reason=reason)
