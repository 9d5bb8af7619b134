"""A web server of our own on 127.0.0.1, whose answers a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class WebServer:
    """What it serves by path (bytes, or a function of the request), and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes | Answer] = {}
        self.asked: list[str] = []
        self.etags = True

    def answer(self, request: Any) -> None:
        """Serve one request."""
        self.asked.append(f"{request.command} {request.path}")
        served = self.files.get(request.path)
        if callable(served):
            served(request)
            return
        if served is None:
            request.send_error(404)
            return
        send(request, 200, served, {"ETag": f'"{hash(served):x}"'} if self.etags else {})


def send(request: Any, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
    """Answer a request."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Serve in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.answer(self)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = WebServer(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
