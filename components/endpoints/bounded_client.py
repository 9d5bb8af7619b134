"""The HTTP client of served models: an answer has bounds in time and size, and comes from the server asked.

httpx's time-out is that between two bytes, and it reads an answer whole whatever its size: a model in a loop
behind a proxy without limits was 17 GB after four minutes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import httpx2
import openai

from components.endpoints.endpoint import PREFIX

MAX_ANSWER_BYTES = 16 * 2**20
"""Bytes of an answer at most; 32 drawn texts of 2,000 tokens with log-probabilities are 10 MB."""
T = TypeVar("T")


class UnusableAnswerError(openai.OpenAIError):
    """An answer that is not read to its end; asking again would bring another one of its kind."""


class ForeignRedirectError(openai.OpenAIError):
    """A server sends its visitors to another one, which nobody chose for these texts."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """Reads answers whole, within ``seconds`` and ``MAX_ANSWER_BYTES``, from one server.

    Args:
        seconds: from the first byte that is sent to the last that is received.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            # A few kB of a compressed answer can be gigabytes.
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [_refuse_foreign_redirect]},
        )
        self._seconds = seconds

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **settings: Any
    ) -> httpx2.Response:
        """Send a request and read its answer. Raises as httpx, UnusableAnswerError, ForeignRedirectError."""
        try:
            async with asyncio.timeout(self._seconds):
                response = await super().send(request, stream=True, **settings)
                try:
                    content = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout("", request=request) from None
        return httpx2.Response(
            response.status_code, headers=response.headers, content=content, request=response.request
        )


async def _read(response: httpx2.Response) -> bytes:
    if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
        raise UnusableAnswerError(f"expected an answer that is not compressed, found {encoding!r:.40}")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            limit = f"{MAX_ANSWER_BYTES // 2**20} MiB"
            raise UnusableAnswerError(f"expected an answer of at most {limit}, found more")
    return bytes(content)


async def _refuse_foreign_redirect(response: httpx2.Response) -> None:
    if not response.has_redirect_location:
        return
    with suppress(httpx2.InvalidURL):  # httpx refuses it next
        target = response.url.join(response.headers["Location"])
        if target.origin != response.url.origin:
            server = target.copy_with(raw_path=b"/", fragment=None, userinfo=b"")
            raise ForeignRedirectError(
                f"expected an answer from there, found a redirect to {server}; "
                f"set {PREFIX}_URL to the server that answers"
            )


@lru_cache(maxsize=1)
def _event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all clients of this process, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="served-http", daemon=True).start()
    return loop


def run_request(request: Coroutine[Any, Any, T]) -> T:
    """Run a request on the clients' event loop; waits for what it gives."""
    return asyncio.run_coroutine_threadsafe(request, _event_loop()).result()
