"""A second graph that answers the same requests when the first has nothing to do, in a process of its own."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from components.compute.process_guard import ProcessGuard
from components.files.files import utc_now
from components.serving.http.answers import language_of
from components.serving.kept_data import KeptRequests, borrow_recording
from components.serving.measures import Measures
from components.serving.requests import GraphRequest
from components.serving.settings import TOKEN
from components.text.languages import is_undetermined

NAME = "shadow"
"""Under which its graph is served."""
_MOST_WAITING = 32
_LOWEST = "19"
"""The priority of its process, as ``nice`` counts."""
_POLL_SECONDS = 0.02
_START_SECONDS, _ANSWER_SECONDS = 600.0, 600.0
_log = logging.getLogger("antiphon.serving")


class _Waiting(NamedTuple):
    request: GraphRequest
    recording: Path | None


class Shadow:
    """Asks a second server, over a socket that nobody else reaches, and keeps both texts.

    Args:
        command: starts the server; ``--socket FILE`` is added.
        folder: for its socket.
        kept: where the texts go.
        measures: are told.
        is_idle: whether the first graph has nothing to do.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        kept: KeptRequests,
        measures: Measures,
        is_idle: Callable[[], bool],
    ) -> None:
        self._kept, self._measures, self._is_idle = kept, measures, is_idle
        socket = str(folder / "shadow.socket")
        nice = ["nice", "-n", _LOWEST] if shutil.which("nice") else []
        # Its socket is in a folder that nobody else reads: it wants no token, as it would of its own clients.
        environment = {name: value for name, value in os.environ.items() if name != TOKEN}
        self._process = subprocess.Popen(  # noqa: S603
            [*nice, *command, "--socket", socket], stdin=subprocess.DEVNULL, env=environment
        )
        self._guard = ProcessGuard(self._process.pid)
        transport = httpx.HTTPTransport(uds=socket)
        self._client = httpx.Client(transport=transport, base_url="http://localhost", timeout=_ANSWER_SECONDS)
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(_MOST_WAITING)
        self._is_closed = False
        self._thread = threading.Thread(target=self._ask_all, name="shadow", daemon=True)
        self._thread.start()

    def take(self, request: GraphRequest) -> None:
        """Let the shadow answer a request, too; more than wait already are left out."""
        if self._waiting.full():
            self._measures.shadow.labels("left out").inc()
            return
        recording = None
        if request.utterance.audio is not None:
            recording = borrow_recording(request.utterance.audio, "shadow")
        self._waiting.put_nowait(_Waiting(request, recording))

    def close(self) -> None:
        """End its process; what waits is left out."""
        self._is_closed = True
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._process.terminate()
        self._thread.join(2)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._guard.release()

    def _ask_all(self) -> None:
        is_ready = self._wait_until_ready()
        while not self._is_closed and (waiting := self._waiting.get()) is not None:
            while is_ready and not self._is_idle() and not self._is_closed:
                time.sleep(_POLL_SECONDS)
            outcome = "left out"
            try:
                if is_ready and not self._is_closed:
                    self._kept.add_shadow(self._ask(waiting))
                    outcome = "answered"
            except (httpx.HTTPError, OSError, KeyError, ValueError) as error:
                _log.warning("the shadow gives no answer: %s", error)
                outcome = "failed"
            finally:
                if waiting.recording is not None:
                    waiting.recording.unlink(missing_ok=True)
            self._measures.shadow.labels(outcome).inc()

    def _wait_until_ready(self) -> bool:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and not self._is_closed:
            if self._process.poll() is not None:
                _log.error(
                    "the shadow has ended with exit code %d; the first graph goes on",
                    self._process.returncode,
                )
                return False
            with suppress(httpx.HTTPError):
                if self._client.get("/health").status_code == 200:
                    _log.info("the shadow is ready")
                    return True
            time.sleep(0.5)
        return False

    def _ask(self, waiting: _Waiting) -> dict[str, Any]:
        request, utterance = waiting.request, waiting.request.utterance
        languages = {"target_language": utterance.target_language, "language": utterance.source_language}
        fields = {name: code for name, code in languages.items() if code and not is_undetermined(code)}
        fields["model"] = f"{NAME}/{request.output}"
        began = time.monotonic()
        if waiting.recording is not None:
            with waiting.recording.open("rb") as file:
                files = {"file": ("recording", file)}
                answer = self._client.post("/v1/audio/transcriptions", data=fields, files=files)
            text = answer.raise_for_status().json()["text"]
        else:
            if "language" in fields:
                fields["source_language"] = fields.pop("language")
            body = {"messages": [{"role": "user", "content": utterance.text}], **fields}
            answer = self._client.post("/v1/chat/completions", json=body)
            text = answer.raise_for_status().json()["choices"][0]["message"]["content"]
        assert request.text is not None
        first = {
            "graph": request.graph.key,
            "text": request.text.best.text,
            "seconds": round(request.elapsed, 4),
        }
        seconds = round(time.monotonic() - began, 4)
        second = {"graph": answer.headers.get("X-Antiphon-Graph", ""), "text": text, "seconds": seconds}
        common = {
            "id": utterance.id,
            "at": utc_now(),
            "output": request.output,
            "language": language_of(request),
        }
        return {**common, "first": first, "second": second}
