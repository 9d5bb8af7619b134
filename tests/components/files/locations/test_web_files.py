"""Files behind https: fetched once, within limits of size and time, from the host that was named."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from components.files.locations import fetched_files, web_files
from components.files.locations.location import MISSING, REFUSED, UNREACHABLE, UNREADABLE, LocationError
from components.files.locations.opening import facts, is_here, open_local, open_location
from tests.web import WebServer, send


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_files, "RETRY_DELAYS", (0.0, 0.0))


def refused(location: str, reason: str, what: str) -> None:
    with pytest.raises(LocationError, match=what) as caught:
        open_local(location)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


def test_a_file_is_fetched_once_and_again_when_it_changes(web: WebServer) -> None:
    web.files["/a.wav"] = b"one"
    url = f"{web.url}/a.wav"
    assert not is_here(url)
    assert facts(url).size == 3
    assert web.asked == ["HEAD /a.wav"]
    assert open_local(url).read_bytes() == open_local(url).read_bytes() == b"one"
    assert open_local(url).suffix == ".wav"
    assert web.asked == ["HEAD /a.wav", "GET /a.wav"]
    assert is_here(url)
    fetched_files.forget()  # as another process does
    assert open_local(url).read_bytes() == b"one"
    assert web.asked == ["HEAD /a.wav", "GET /a.wav", "HEAD /a.wav"]
    web.files["/a.wav"] = b"two"
    fetched_files.forget()
    with open_location(url) as file:
        assert file.read() == b"two"


def test_what_has_no_version_is_fetched_by_every_process(web: WebServer) -> None:
    web.etags, web.files["/a"] = False, b"one"
    assert facts(f"{web.url}/a").version is None
    assert open_local(f"{web.url}/a").read_bytes() == open_local(f"{web.url}/a").read_bytes() == b"one"
    assert web.asked.count("GET /a") == 1
    web.files["/a"] = b"two"
    fetched_files.forget()
    assert open_local(f"{web.url}/a").read_bytes() == b"two"


def test_a_copy_that_was_removed_is_fetched_again(web: WebServer) -> None:
    web.files["/a"] = b"one"
    open_local(f"{web.url}/a").unlink()
    with open_location(f"{web.url}/a") as file:
        assert file.read() == b"one"


def test_a_server_that_refuses_head_is_asked_with_get(web: WebServer) -> None:
    def signed(request: Any) -> None:
        send(request, *((403,) if request.command == "HEAD" else (200, b"one")))

    web.files["/a?sig=x"] = signed
    assert open_local(f"{web.url}/a?sig=x").read_bytes() == b"one"


def test_redirects_stay_on_the_host(web: WebServer) -> None:
    web.files["/a"] = lambda request: send(request, 302, headers={"Location": "/b"})
    web.files["/b"] = b"one"
    assert open_local(f"{web.url}/a").read_bytes() == b"one"
    for target in ("http://localhost:1/x", "https://127.0.0.1/x", "file:///etc/passwd", "//evil.org/x"):
        web.files["/c"] = lambda request, to=target: send(request, 302, headers={"Location": to})
        refused(f"{web.url}/c", REFUSED, "expected the file on this host, found a redirect to")
    web.files["/d"] = lambda request: send(request, 302, headers={"Location": "/d"})
    refused(f"{web.url}/d", UNREADABLE, "at most 5 redirects")


def test_a_file_over_the_limit_is_refused(web: WebServer, tmp_path: Path) -> None:
    web.files["/a"] = b"12345"
    with (tmp_path / "x").open("wb") as target, pytest.raises(LocationError, match="at most 4 bytes"):
        web_files.download(f"{web.url}/a", target, 4)

    def without_length(request: Any) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b"12345")

    web.files["/b"] = without_length
    with (tmp_path / "x").open("wb") as target, pytest.raises(LocationError, match="at most 4 bytes"):
        web_files.download(f"{web.url}/b", target, 4)


def test_a_server_that_never_answers_or_drips_is_given_up(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_files, "READ_SECONDS", 0.3)
    monkeypatch.setattr(web_files, "GRACE_SECONDS", 0.3)
    web_files._client.cache_clear()
    web.files["/never"] = lambda _: time.sleep(2)

    def drip(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(20 if request.command == "GET" else 0):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)

    web.files["/drips"] = drip
    began = time.monotonic()
    refused(f"{web.url}/never", UNREACHABLE, "expected an answer, found none")
    refused(f"{web.url}/drips", UNREACHABLE, "bytes a second, found fewer")
    assert time.monotonic() - began < 3
    web_files._client.cache_clear()


def test_busy_servers_are_asked_again(web: WebServer) -> None:
    answers = iter([503, 429])

    def busy(request: Any) -> None:
        status = next(answers, 200)
        send(request, status, b"one" if status == 200 else b"")

    web.files["/a"] = busy
    assert open_local(f"{web.url}/a").read_bytes() == b"one"
    web.files["/b"] = lambda request: send(request, 503)
    refused(f"{web.url}/b", UNREACHABLE, "the answer 503")


def test_what_is_not_there_or_not_as_it_is(web: WebServer) -> None:
    refused(f"{web.url}/none", MISSING, "404")
    refused("http://127.0.0.1:1/a", REFUSED, "expected a host of ANTIPHON_AUDIO_HOSTS")
    refused("https://127.0.0.1/a?key=secret", REFUSED, r"key=\*\*\*: expected a host")
    packed = gzip.compress(bytes(1000))
    web.files["/gz"] = lambda request: send(request, 200, packed, {"Content-Encoding": "gzip"})
    refused(f"{web.url}/gz", UNREADABLE, "compressed on its way")

    def broken(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "10")
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(b"12345")
            request.close_connection = True

    web.files["/broken"] = broken
    refused(f"{web.url}/broken", UNREACHABLE, "expected")
    assert not list((fetched_files.fetched_folder()).glob("*/*.tmp"))
