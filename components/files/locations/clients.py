"""What reaches files behind URLs, by scheme: entries of ``antiphon.locations``."""

from __future__ import annotations

from typing import IO, NamedTuple, Protocol

from components.extensions import Extensions, accept_methods


class RemoteFile(NamedTuple):
    """What is known of a file behind a URL before it is fetched.

    Attributes:
        size: bytes; None where the server does not say.
        version: changes with the content (an ETag, or the time of modification and size); None where the
            server states neither.
    """

    size: int | None
    version: str | None


class Client(Protocol):
    """What reaches files behind URLs of a scheme; a module may be one."""

    def check(self, url: str) -> None:
        """Refuse a URL that may not be fetched; asks nobody. LocationError."""

    def look_up(self, url: str) -> RemoteFile:
        """Return the size and version of a file without its content. LocationError."""

    def download(self, url: str, target: IO[bytes], limit: int) -> RemoteFile:
        """Write a file's content, at most ``limit`` bytes, into ``target``; its size and version."""


CLIENTS: Extensions[Client] = Extensions(
    "antiphon.locations", "location", accept_methods("check", "look_up", "download")
)
"""Scheme of a URL -> what reaches files there."""


def client_of(url: str) -> Client:
    """Return what reaches a URL of a known scheme."""
    return CLIENTS[url.partition("://")[0]]
