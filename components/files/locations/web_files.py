"""Files behind https URLs: of named hosts only, within a size and a time, without redirects elsewhere."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpx

from components.files.locations.allowed_hosts import read_allowed_hosts
from components.files.locations.clients import RemoteFile
from components.files.locations.location import (
    MISSING,
    REFUSED,
    UNREACHABLE,
    UNREADABLE,
    LocationError,
    too_large,
)

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
"""How long a server may send nothing."""
GRACE_SECONDS = 30.0
LOWEST_RATE = 64 * 1024
"""Bytes a second that a server sends on average, once the seconds of grace are over."""
RETRY_DELAYS = (1.0, 3.0)
"""Seconds before each retry after a refused connection or an answer that says so (429, 5xx)."""
MAX_REDIRECTS = 5


def check(url: str) -> None:
    """Refuse a URL from whose host nothing may be fetched; asks nobody. LocationError."""
    read_allowed_hosts().check_url(url)


def look_up(url: str) -> RemoteFile:
    """Return the size and version of a file without its content.

    Raises:
        LocationError: there is none, or it may not be fetched.
    """
    with _request("HEAD", url) as answer:
        if answer.is_success:
            return _facts(answer)
    with _request("GET", url) as answer:  # what is signed for GET refuses HEAD
        _check_status(url, answer)
        return _facts(answer)


def download(url: str, target: IO[bytes], limit: int) -> RemoteFile:
    """Write a file's content into ``target``; its size and version.

    Raises:
        LocationError: there is none, it may not be fetched, is larger than ``limit``, or comes too slowly.
    """
    began = time.monotonic()
    with _request("GET", url) as answer:
        _check_status(url, answer)
        facts = _facts(answer)
        if facts.size is not None and facts.size > limit:
            raise too_large(url, limit)
        received = 0
        for chunk in answer.iter_raw():
            received += len(chunk)
            if received > limit:
                raise too_large(url, limit)
            if time.monotonic() - began > GRACE_SECONDS + received / LOWEST_RATE:
                what = f"expected {LOWEST_RATE} bytes a second, found fewer"
                raise LocationError(url, what, "try again later", reason=UNREACHABLE)
            target.write(chunk)
    if facts.size is not None and received != facts.size:
        what = f"expected {facts.size} bytes, found {received}: the connection broke"
        raise LocationError(url, what, "try again", reason=UNREACHABLE)
    return facts._replace(size=received)


def _facts(answer: httpx.Response) -> RemoteFile:
    length = answer.headers.get("content-length", "")
    size = int(length) if length.isdecimal() and len(length) < 20 else None
    version = answer.headers.get("etag") or answer.headers.get("last-modified")
    return RemoteFile(size, None if version is None else f"{version} {length}"[:500])


def _check_status(url: str, answer: httpx.Response) -> None:
    status = answer.status_code
    if status in (404, 410):
        raise LocationError(
            url, f"expected a file, found none ({status})", "check the address", reason=MISSING
        )
    if status != 200:
        reason = UNREACHABLE if status == 429 or status >= 500 else MISSING
        raise LocationError(
            url, f"expected a file, found the answer {status}", "check the address", reason=reason
        )
    if answer.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise LocationError(
            url,
            "expected the file as it is, found it compressed on its way",
            "name another",
            reason=UNREADABLE,
        )


@contextmanager
def _request(method: str, url: str) -> Iterator[httpx.Response]:
    """Yield the answer to a request, after redirects within the host; its content is not read yet."""
    answer = _follow(method, url)
    try:
        yield answer
    except httpx.HTTPError as error:
        raise _unreachable(url, error) from error
    finally:
        answer.close()


def _follow(method: str, url: str) -> httpx.Response:
    at = url
    for _ in range(MAX_REDIRECTS + 1):
        answer = _send_patiently(method, at)
        if not answer.has_redirect_location:
            return answer
        answer.close()
        target = urljoin(at, answer.headers["location"])
        if urlsplit(target)[:2] != urlsplit(at)[:2]:
            host = ascii(urlsplit(target).netloc.rpartition("@")[2])[:80]
            what = (
                f"expected the file on this host, found a redirect to {urlsplit(target).scheme[:20]} {host}"
            )
            raise LocationError(url, what, "name that address if it is meant", reason=REFUSED)
        at = target
    what = f"expected at most {MAX_REDIRECTS} redirects, found more"
    raise LocationError(url, what, "check the address", reason=UNREADABLE)


def _send_patiently(method: str, url: str) -> httpx.Response:
    """Send a request, again where the server says that it is busy or refuses the connection."""
    for delay in (*RETRY_DELAYS, None):
        try:
            answer = _send(method, url)
        except httpx.TimeoutException as error:
            raise _unreachable(url, error) from error
        except httpx.HTTPError as error:
            if delay is None:
                raise _unreachable(url, error) from error
        else:
            if delay is None or not (answer.status_code == 429 or answer.status_code >= 500):
                return answer
            answer.close()
        time.sleep(delay)
    raise AssertionError  # the last delay is None


def _send(method: str, url: str) -> httpx.Response:
    """Send one request to an address of the host that was checked: the name is not looked up again."""
    hosts = read_allowed_hosts()
    parts = hosts.check_url(url)
    host = parts.hostname or ""
    addresses = hosts.resolve(url, host, parts.port or (443 if parts.scheme == "https" else 80))
    client = _client(parts.netloc)
    target = httpx.URL(url)
    for number, address in enumerate(addresses, 1):
        request = client.build_request(
            method,
            target.copy_with(host=address, fragment=None),
            headers={"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host},
        )
        try:
            return client.send(request, stream=True)
        except httpx.ConnectError:
            if number == len(addresses):
                raise
    raise AssertionError  # a name has at least one address


@lru_cache(maxsize=256)
def _client(netloc: str) -> httpx.Client:
    """Return the client for a host: no connection is shared by two."""
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False, verify=_context())


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _unreachable(url: str, error: Exception) -> LocationError:
    detail = " ".join(str(error).split())[:120] or type(error).__name__
    return LocationError(
        url,
        f"expected an answer, found none ({detail})",
        "check the address, or try again",
        reason=UNREACHABLE,
    )
