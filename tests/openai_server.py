"""An OpenAI-compatible server on 127.0.0.1 that answers by a function of the text, or misbehaves."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-the-key-of-the-test"
Fault = Callable[["Handler", str], bool]
"""(handler, the last words of the request) -> whether it has answered already."""


def text_of(words: str) -> str:
    """What stands between the tags of a prompt, or all of it."""
    found = re.findall(r"<text>(.*?)</text>", words, re.DOTALL)
    return found[-1] if found else words


class OpenAIServer(ThreadingHTTPServer):
    """The server, what it was asked, and how it answers.

    Attributes:
        requests: texts of the completions that it was asked for, probes left out.
        bodies: everything that it was sent for these.
        most_at_once: the greatest number of requests in flight.
        faults: called before each answer.
        answer: text -> answer.
        refused: fields of a request that it does not know.
        most_choices: choices of an answer at most, whatever ``n`` says.
        transcript: the answer of its transcription endpoint.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.answer: Callable[[str], str] = str.upper
        self.refused: tuple[str, ...] = ()
        self.fingerprint = "fp_1"
        self.models = ["echo"]
        self.key = KEY
        self.with_log_probs = True
        self.most_choices = 100
        self.transcript: dict[str, Any] = {"text": "a dog"}
        self.forms: list[str] = []
        self.in_flight = self.most_at_once = 0
        self.guard = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def text_completion(self, text: str, count: int) -> dict[str, Any]:
        pieces = re.findall(r"\S+\s*", text)
        rows = {"tokens": pieces, "token_logprobs": [None, *[-0.25] * (len(pieces) - 1)]}
        choice = {"text": f" {text}", "finish_reason": "stop", "logprobs": rows}
        return {
            "choices": [choice] * count,
            "usage": {"prompt_tokens": 10, "completion_tokens": len(pieces)},
            "system_fingerprint": self.fingerprint,
        }

    def completion(self, text: str) -> dict[str, Any]:
        pieces = re.findall(r"\S+\s*", text)
        rows = [{"token": piece, "logprob": -0.5} for piece in pieces]
        return {
            "choices": [
                {
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                    **({"logprobs": {"content": rows}} if self.with_log_probs else {}),
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": len(pieces)},
            "system_fingerprint": self.fingerprint,
        }


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: OpenAIServer

    def do_GET(self) -> None:
        if not self.is_admitted():
            return
        if not self.server.models:
            self.fail(404, "no such page")
            return
        rows = [
            {"id": name, "object": "model", "owned_by": "me", "created": time.time()}
            for name in self.server.models
        ]
        self.send({"object": "list", "data": rows})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_admitted():
            return
        with self.server.guard:
            self.server.in_flight += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.in_flight)
        try:
            if self.path.endswith("/audio/transcriptions"):
                self.transcribe(body.decode("latin-1"))
            else:
                self.complete(json.loads(body))
        finally:
            with self.server.guard:
                self.server.in_flight -= 1

    def is_admitted(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {self.server.key}":
            return True
        self.fail(401, f"Incorrect API key provided: {self.headers['Authorization']}")
        return False

    def complete(self, request: dict[str, Any]) -> None:
        server = self.server
        if request["model"] not in server.models:
            return self.fail(404, f"no model {request['model']}")
        if refused := [name for name in server.refused if name in request]:
            return self.fail(400, f"Unsupported parameter: '{refused[0]}'", refused[0])
        is_chat = self.path.endswith("/chat/completions")
        words = request["messages"][-1]["content"] if is_chat else request["prompt"]
        text = text_of(words)
        if words != "Hi":
            with server.guard:
                server.requests.append(text)
                server.bodies.append(request)
        if not any(fault(self, text) for fault in server.faults):
            count = min(request.get("n", 1), server.most_choices)
            answers = [server.answer(text) for _ in range(count)]
            if is_chat:
                whole = [server.completion(answer) for answer in answers]
                self.send({**whole[0], "choices": [each["choices"][0] for each in whole]})
            else:
                line = answers[0].rpartition("ENGLISH: ")[2].split("\n")[0]
                self.send(server.text_completion(line, count))
        return None

    def transcribe(self, form: str) -> None:
        self.server.forms.append(form)
        if refused := [name for name in self.server.refused if f'name="{name}' in form]:
            return self.fail(422, f"Unexpected fields in the request: {refused}")
        if not any(fault(self, form) for fault in self.server.faults):
            self.send(self.server.transcript)
        return None

    def fail(self, status: int, message: str, parameter: str | None = None, **headers: str) -> None:
        self.send({"error": {"message": message, "param": parameter}}, status, **headers)

    def send(self, value: object, status: int = 200, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("content_type", "application/json"))
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A server that lives as long as the block."""
    server = OpenAIServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def on(poison: str, fault: Callable[[Handler], object], times: int = 10**6) -> Fault:
    """A fault for requests that hold ``poison``, the first ``times`` of them."""
    left = [times]

    def apply(handler: Handler, text: str) -> bool:
        if poison not in text or left[0] <= 0:
            return False
        left[0] -= 1
        fault(handler)
        return True

    return apply


def cut(handler: Handler) -> None:
    """Break off in the middle of an answer."""
    handler.send(b'{"choices": [{"mess', length="5000")
    handler.close_connection = True


def hang(seconds: float) -> Callable[[Handler], None]:
    """Wait before a broken answer."""
    return lambda handler: (time.sleep(seconds), cut(handler))[-1]
