"""A server on 127.0.0.1 in the place of S3 that gives the answers it is told, one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from components.files.object_storage.clients import RETRIES

if TYPE_CHECKING:
    from obstore.store import BackoffConfig

_SHORT: BackoffConfig = {
    "init_backoff": timedelta(seconds=0.01),
    "max_backoff": timedelta(seconds=0.02),
    "base": 2,
}


@dataclass(frozen=True)
class Answer:
    """An answer of S3.

    Attributes:
        status: of HTTP; 0 cuts the connection.
        code: of an error.
        message: of an error.
        body: of a success.
    """

    status: int
    code: str = ""
    message: str = "Of the service."
    body: bytes = b""

    CUT: ClassVar[Answer]

    @property
    def content(self) -> bytes:
        """What is sent."""
        error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        return error.encode() if self.code else self.body


Answer.CUT = Answer(0)


@dataclass
class Script:
    """What the server still answers, and what it was asked; the last answer is given again and again."""

    answers: list[Answer]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)


@contextmanager
def scripted_server(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> Iterator[Script]:
    """Serve the answers, with the environment that leads clients there."""
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.requests.append(f"{self.command} {self.path}")
            script.authorizations.append(self.headers.get("Authorization", ""))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.close_connection = True
            if answer.status:
                self.send_response(answer.status)
                for name, value in {
                    "Content-Length": str(len(answer.content)),
                    "ETag": '"1"',
                    "Last-Modified": "Mon, 30 Nov 2026 07:00:00 GMT",
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else answer.content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with monkeypatch.context() as patch:
        patch.setitem(RETRIES, "backoff", _SHORT)
        patch.setenv("AWS_ENDPOINT_URL", script.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        try:
            yield script
        finally:
            server.shutdown()
            server.server_close()
