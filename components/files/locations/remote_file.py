"""What is known of a file behind a URL before it is fetched."""

from __future__ import annotations

from typing import NamedTuple

from components.files.locations.location import UNREADABLE, LocationError


class RemoteFile(NamedTuple):
    """A file behind a URL.

    Attributes:
        size: bytes; None where the server does not say.
        version: changes with the content (an ETag, or the time of modification and size); None where the
            server states neither.
    """

    size: int | None
    version: str | None


def too_large(url: str, limit: int) -> LocationError:
    """Return the error of a file with more than ``limit`` bytes."""
    return LocationError(
        url, f"expected at most {limit} bytes, found more", "split the file", reason=UNREADABLE
    )
