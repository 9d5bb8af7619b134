"""Objects of S3, Google and Azure storage, read piece by piece with the credentials of the environment."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from components.errors import to_one_line
from components.files.locations.location import MISSING, REFUSED, UNREACHABLE, UNREADABLE, LocationError
from components.files.locations.remote_file import RemoteFile, too_large
from components.files.redaction import redact

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PIECE_BYTES = 8 << 20
PIECE_SECONDS = 30
"""How long one piece may take, its retries included."""


def look_up(url: str) -> RemoteFile:
    """Return the size and version of an object without its content.

    Raises:
        LocationError: there is none, or it may not be read.
    """
    import obstore  # noqa: PLC0415 - only where objects are read

    bucket, name = _split(url)
    try:
        facts = obstore.head(_connect(bucket), name)
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
            piece = obstore.get(store, name, options=options).bytes()
            if len(piece) != options["range"][1] - begin:
                raise LocationError(url, *_REPLACED, reason=UNREADABLE)
            target.write(piece)
        except LocationError:
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


def _connect(bucket: str) -> ObjectStore:
    settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith(_PREFIXES)))
    return _connect_as(bucket, settings)


_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")


@lru_cache(maxsize=64)
def _connect_as(bucket: str, settings: tuple[tuple[str, str], ...]) -> ObjectStore:
    """Return the client of a bucket for what the environment says."""
    from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - as above

    scheme, _, name = bucket.partition("://")
    endpoint = dict(settings).get("AWS_ENDPOINT_URL", "")
    options: Any = {
        "timeout": timedelta(seconds=PIECE_SECONDS),
        "connect_timeout": timedelta(seconds=10),
        "allow_http": scheme == "s3" and endpoint.startswith("http://"),
    }
    retries: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=PIECE_SECONDS)}
    store: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    try:
        return store(name, client_options=options, retry_config=retries)  # type: ignore[no-any-return]
    except Exception as error:
        raise _translate(bucket, error) from error


_REPLACED = ("expected the object as it was, found another", "load it again")
_REASONS = {
    "NotFoundError": (MISSING, "expected an object, found none", "check its name"),
    "FileNotFoundError": (MISSING, "expected an object, found none", "check its name"),
    "PermissionDeniedError": (REFUSED, "expected credentials that may read it, found none", "check them"),
    "UnauthenticatedError": (REFUSED, "expected credentials that may read it, found none", "check them"),
    "PreconditionError": (UNREADABLE, *_REPLACED),
}
"""Class of an error -> reason, what is said and what to do."""


def _translate(url: str, error: Exception) -> LocationError:
    """Return an error of the client in one line."""
    reason, what, remedy = _REASONS.get(
        type(error).__name__,
        (
            UNREACHABLE,
            f"expected an answer of the store, found {to_one_line(redact(str(error)))}",
            "try again",
        ),
    )
    return LocationError(url, what, remedy, reason=reason)
