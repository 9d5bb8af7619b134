"""One client's WebSocket: it sends a hello, then sound or words; it is sent deltas, then the texts."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from components.errors import AntiphonError, DataError, TransientError
from components.serving.http.faults import RequestError
from components.serving.service import Service
from components.simultaneous.live.messages import Hello, Piece, read_hello, read_piece
from components.simultaneous.live.stream import LiveReplayer, LiveStream
from components.simultaneous.records import Delta
from components.simultaneous.requirements import choose_policies
from components.simultaneous.units import join_units
from components.text.languages import without_spaces

MAX_BEHIND_SECONDS = 30.0
"""Sound that waits to be computed at most: then no more is read, until some is."""
_log = logging.getLogger("antiphon.serving")


class Conversation:
    """A client that streams.

    Args:
        socket: its, accepted.
        service: computes.
        threads: in which steps wait for their turns.
    """

    def __init__(self, socket: WebSocket, service: Service, threads: ThreadPoolExecutor) -> None:
        self._socket, self._service, self._threads = socket, service, threads
        self._hears = service.graph.hears
        self._hello = Hello()
        self._replayers, self._streams = list[LiveReplayer](), list[LiveStream]()
        self._written: set[tuple[int, str]] = set()
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._began, self._characters, self._has_ended = 0.0, 0, False

    async def hold(self, places: ExitStack) -> None:
        """Answer until the client ends its stream.

        Args:
            places: takes those of the queue: one for each channel.

        Raises:
            RequestError: it is refused, or sends what cannot be read.
            WebSocketDisconnect: it has gone.
        """
        settings = self._service.settings
        self._enter(places)
        self._hello = hello = read_hello(await self._receive(settings.upload_timeout), self._service.graph)
        for _ in range(hello.channels - 1):
            self._enter(places)
        self._open_streams()
        work = asyncio.gather(*map(self._follow, range(hello.channels)))
        tasks = [asyncio.ensure_future(task) for task in (work, self._read_all(), self._send_all())]
        limit = settings.max_seconds + settings.timeout
        try:
            done, _ = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise RequestError(408, f"expected the end within {limit:g} s, found none", "timeout")
            for task in done:
                await task
            self._messages.put_nowait(None)
            await tasks[-1]
        finally:
            for replayer in self._replayers:
                replayer.is_cancelled.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _enter(self, places: ExitStack) -> None:
        self._service.enter()
        places.callback(self._service.leave)

    def _open_streams(self) -> None:
        """Open a stream for each channel, and say how they are computed."""
        service, hello, loop = self._service, self._hello, asyncio.get_running_loop()
        policies = choose_policies(hello.policy or service.settings.policy, service.graph, appends=True)
        for channel in range(hello.channels):
            replayer = LiveReplayer(
                service.graph,
                policies,
                self._chunk,
                threads=service.torch_threads,
                service=service,
                sound=service.spool / f"live-{secrets.token_hex(8)}.wav",
            )
            tell = partial(self._tell, loop, channel)
            self._replayers.append(replayer)
            self._streams.append(LiveStream(replayer, hello.languages(service.graph), tell))
        named = {name: str(choice) for name, choice in policies.items()}
        told: dict[str, Any] = {"graph": service.graph.key, "reads": "sound" if self._hears else "text"}
        told |= {"outputs": dict(service.graph.outputs), "policies": named, "chunk": self._chunk}
        self._messages.put_nowait({"type": "ready", **told})

    @property
    def _chunk(self) -> float:
        return self._hello.chunk or self._service.settings.chunk

    async def _receive(self, idle: float | None) -> dict[str, Any]:
        """Return the next message.

        Raises:
            RequestError: none came for ``idle`` seconds.
            WebSocketDisconnect: the client has gone.
        """
        try:
            async with asyncio.timeout(idle):
                message = dict(await self._socket.receive())
        except TimeoutError:
            raise RequestError(408, f"expected a message within {idle:g} s, found silence", "slow") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1006)
        return message

    async def _read_all(self) -> None:
        """Take what comes until the end, then wait for the client to go."""
        limit = MAX_BEHIND_SECONDS + self._chunk
        while not self._has_ended:
            message = await self._receive(self._service.settings.upload_timeout)
            piece = read_piece(message, self._hello, hears=self._hears)
            self._began = self._began or time.monotonic()
            self._take(piece)
            async with self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: self._behind < limit)
        await self._receive(None)
        raise RequestError(400, 'expected nothing after {"end": true}, found a message')

    def _take(self, piece: Piece) -> None:
        settings = self._service.settings
        if piece.sound:
            samples = np.frombuffer(piece.sound, "<i2").reshape(-1, self._hello.channels)
            for stream, own in zip(self._streams, samples.T, strict=True):
                stream.add_sound(own.tobytes())
            if self._streams[0].seconds > settings.max_seconds:
                raise RequestError(413, f"expected at most {settings.max_seconds:g} s of sound, found more")
        elif piece.text:
            self._characters += len(piece.text)
            if self._characters > settings.max_characters:
                raise RequestError(
                    413, f"expected at most {settings.max_characters:,} characters, found more"
                )
            self._streams[0].add_text(piece.text)
        else:
            self._has_ended = True

    @property
    def _behind(self) -> float:
        """Seconds of sound that wait to be computed."""
        return max(stream.seconds - stream.done for stream in self._streams)

    @property
    def _clock(self) -> float:
        """Seconds since the first sound or word came."""
        return time.monotonic() - self._began if self._began else 0.0

    async def _follow(self, channel: int) -> None:
        """Compute the steps of a speaker, until the end."""
        stream, skip, is_last = self._streams[channel], self._hello.skip, False

        def find_step() -> tuple[float, bool] | None:
            return stream.next_step(self._clock, ended=self._has_ended, skip=skip)

        while not is_last:
            async with self._changed:
                heard, is_last = await self._changed.wait_for(find_step)  # type: ignore[misc]
            await self._compute(partial(stream.advance, heard, self._clock, is_last=is_last))
            async with self._changed:
                self._changed.notify_all()
        told = {"heard": round(heard, 3), "clock": round(self._clock, 3), "texts": stream.texts}
        self._messages.put_nowait({"type": "end", "channel": channel, **told})

    async def _compute(self, step: Callable[[], None]) -> None:
        """Compute a step in a thread.

        Raises:
            RequestError: it fails.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, step)
        except DataError as error:
            files = re.escape(str(self._service.spool)) + r"\S*?\.wav"
            raise RequestError(400, re.sub(files, "the sound", str(error)), "unreadable") from None
        except TransientError:
            message = "a model elsewhere does not answer; try again"
            raise RequestError(503, message, "unavailable", retry_after=5) from None
        except TimeoutError:
            limit = self._service.settings.timeout
            raise RequestError(504, f"expected a step within {limit:g} s, found none", "timeout") from None
        except Exception as error:
            known = isinstance(error, AntiphonError)
            _log.error("a live stream: %s", error, exc_info=None if known else error)
            message = "a node of the graph failed; the server's log says why"
            raise RequestError(500, message, "node_failed") from None

    def _tell(self, loop: asyncio.AbstractEventLoop, channel: int, name: str, delta: Delta) -> None:
        """Send what a node has written; in the thread that computes."""
        stream = self._streams[channel]
        text = join_units(delta.units, stream.language_of(name))
        if (channel, name) in self._written and not without_spaces(stream.language_of(name)):
            text = f" {text}"
        self._written.add((channel, name))
        times = {"heard": round(delta.heard, 3), "clock": round(delta.clock, 3)}
        message = {"type": "delta", "channel": channel, "node": name, "text": text, **times}
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(self._messages.put_nowait, message)

    async def _send_all(self) -> None:
        while (message := await self._messages.get()) is not None:
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))
