"""A server that never ends, or sends texts elsewhere: bounded in seconds and bytes, and one line."""

from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from components.endpoints.connection import AnswerError
from components.errors import AntiphonError, ConfigError, TransientError
from tests.components.endpoints.test_chat import ask, texts_of
from tests.openai_server import Handler, OpenAIServer, on, openai_server

SECONDS = 0.4
NO_ANSWER = rf"no answer in {SECONDS} s; try again, or raise ANTIPHON_SERVED_TIMEOUT"
TOO_LONG = "expected an answer of at most 16 MiB, found more"
END = 20.0
"""Seconds after which a server that never ends does so all the same, so that a test that fails ends."""


@pytest.fixture(autouse=True)
def limits(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_SERVED_TIMEOUT", str(SECONDS))
    monkeypatch.setenv("ANTIPHON_SERVED_RETRIES", "0")


def drip(handler: Handler, *, head: bool = False) -> None:
    """A byte often enough that none is late."""
    begin = b"HTTP/1.0 200 OK\r\n" + (b"" if head else b"Content-Length: 100000\r\n\r\n")
    end = time.monotonic() + END
    with suppress(OSError):
        handler.wfile.write(begin)
        while time.monotonic() < end:
            handler.wfile.write(b"x")
            time.sleep(0.05)
    handler.close_connection = True


def pour(handler: Handler, size: int | None = None) -> None:
    """``size`` bytes as fast as they are taken; None: without end."""
    chunk, sent, end = b" " * 2**18, 0, time.monotonic() + END
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while (size is None or sent < size) and time.monotonic() < end:
            sent += handler.wfile.write(chunk)
    handler.close_connection = True


def compress(handler: Handler) -> None:
    handler.send(gzip.compress(b" " * 10**6), Content_Encoding="gzip")


@pytest.mark.parametrize("fault", [drip, lambda h: drip(h, head=True)], ids=["body", "head"])
def test_a_request_has_a_deadline(fault: Callable[[Handler], None], endpoint: OpenAIServer) -> None:
    """It used to go on for as long as a byte came within the time."""
    endpoint.faults = [on("bad", fault)]
    begun = time.monotonic()
    with pytest.raises(TransientError, match=NO_ANSWER):
        ask("bad")
    assert time.monotonic() - begun < 10 * SECONDS


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (pour, TOO_LONG),
        (lambda h: pour(h, 40_000_000), TOO_LONG),
        (compress, "expected an answer that is not compressed, found 'gzip'"),
    ],
    ids=["endless", "40 MB", "compressed"],
)
def test_an_answer_has_a_size(
    fault: Callable[[Handler], None],
    expected: str,
    endpoint: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that never ended took 17.7 GB in four minutes; its record is lost, the others are not."""
    monkeypatch.setenv("ANTIPHON_SERVED_TIMEOUT", "10")
    endpoint.faults = [on("bad", fault)]
    ask("warm up")
    tracemalloc.start()
    answers = ask("one", "bad")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts_of(answers) == ["ONE", "no answer"]
    assert isinstance(answers[1], AnswerError)
    assert expected in str(answers[1])
    assert most < 60_000_000


def test_a_server_without_an_end_is_one_line(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("", pour)]
    with pytest.raises(TransientError) as fault:
        ask("one")
    assert TOO_LONG in str(fault.value) or "no answer in" in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_redirect_to_another_server_is_refused(endpoint: OpenAIServer) -> None:
    """The key stayed behind, the texts did not."""
    with openai_server() as other:
        target = f"{other.url.replace('//', '//me:secret@')}/chat/completions?text=1"
        endpoint.faults = [on("bad", lambda h: h.fail(307, "moved", Location=target))]
        with pytest.raises(ConfigError) as fault:
            ask("bad")
        where = other.url.removesuffix("v1")
        assert str(fault.value).endswith(
            f"found a redirect to {where}; set ANTIPHON_SERVED_URL to the server that answers"
        )
        assert not other.requests


def test_a_redirect_on_the_same_server_is_followed(endpoint: OpenAIServer) -> None:
    """As when a path ends in a slash."""
    target = "/other/chat/completions"
    endpoint.faults = [on("bad", lambda h: h.fail(307, "moved", Location=target), times=1)]
    assert texts_of(ask("bad")) == ["BAD"]


@pytest.mark.parametrize("target", ["http://[::1", "//", "file:///etc/passwd"])
def test_a_redirect_to_nowhere_is_one_line(target: str, endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", lambda h: h.fail(307, "moved", Location=target))]
    with pytest.raises(AntiphonError) as fault:
        raise ask("bad")[0]  # type: ignore[misc]
    assert "\n" not in str(fault.value)


def test_requests_that_wait_cost_no_thread_each(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("bad", drip)]
    for _ in range(3):
        with pytest.raises(TransientError):
            ask("bad")
    assert sum(thread.name == "served-http" for thread in threading.enumerate()) == 1
