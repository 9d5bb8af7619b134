"""An answer in parts: server-sent events with what is new of a text, as far as it will not change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from components.serving.http.answers import text_of
from components.serving.http.clients import until_gone, wait_for_end
from components.serving.http.faults import RequestError
from components.serving.requests import GraphRequest

Event = dict[str, Any]
Compute = Callable[[Callable[[str], object]], Coroutine[Any, Any, GraphRequest]]
"""Computes a request; what it is given is told how the text begins."""


class Parts:
    """A text that is being computed.

    Args:
        compute: computes it; it has begun when this is made.
    """

    def __init__(self, compute: Compute) -> None:
        self._changed = asyncio.Event()
        self._text = self._sent = ""
        self._task = asyncio.create_task(compute(self._take))
        self._task.add_done_callback(lambda _: self._changed.set())

    def _take(self, begun: str) -> None:
        self._text = begun
        self._changed.set()

    async def wait(self, request: Request) -> None:
        """Wait for the first part, or for the end. RequestError: the client has gone."""
        await until_gone(request, self._changed.wait())

    @property
    def ended(self) -> GraphRequest | None:
        """The request, when it has ended.

        Raises:
            RequestError: it has failed.
        """
        return self._task.result() if self._task.done() else None

    async def follow(self) -> AsyncIterator[str]:
        """Yield what is new of the text, and last what the finished one has more.

        Raises:
            RequestError: why there is no more.
        """
        while self.ended is None:
            self._changed.clear()  # what comes while a part is sent sets it again
            if new := self._new(self._text):
                yield new
            await self._changed.wait()
        is_first, new = not self._sent, self._new(text_of(self._task.result()).best.text)
        if new or is_first:
            yield new

    def _new(self, text: str) -> str:
        new = text.removeprefix(self._sent)
        self._sent = text
        return new

    async def close(self) -> None:
        """Give up what is left."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, RequestError):
            await self._task


class StreamedAnswer(StreamingResponse):
    """Events until the text has ended or the client has gone.

    Args:
        events: yields them.
        headers: say what answers.
        parts: is closed at the end.

    Attributes:
        at_end: is called then, too.
    """

    def __init__(self, events: AsyncIterator[Event | str], headers: dict[str, str], parts: Parts) -> None:
        super().__init__(_encode(events), media_type="text/event-stream", headers=headers)
        self._parts = parts
        self.at_end: list[Callable[[], object]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        answer = asyncio.create_task(self.stream_response(send))
        gone = asyncio.create_task(wait_for_end(receive))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
            await self._parts.close()
            for end in self.at_end:
                end()


async def _encode(events: AsyncIterator[Event | str]) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"
    except RequestError as error:
        yield f"data: {json.dumps(error.body)}\n\n"


async def stream(
    request: Request,
    compute: Compute,
    events: Callable[[AsyncIterator[str]], AsyncIterator[Event | str]],
    headers: dict[str, str],
) -> StreamedAnswer:
    """Return an answer in parts as soon as its first one is there.

    Args:
        request: of the client.
        compute: computes it.
        events: the events of the text's parts.
        headers: say what answers.

    Raises:
        RequestError: why there is none; what fails later ends the events with it.
    """
    parts = Parts(compute)
    try:
        await parts.wait(request)
        if parts.ended is not None:
            text_of(parts.ended)
    except BaseException:
        await parts.close()
        raise
    return StreamedAnswer(events(parts.follow()), headers, parts)
