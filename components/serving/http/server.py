"""The HTTP server: uvicorn, bounds on slow clients, and an end that answers what it has begun."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from components.errors import ConfigError
from components.serving.service import Service
from components.serving.settings import ServeSettings

_log = logging.getLogger("antiphon.serving")
HEADER_SECONDS = 10.0
"""Until the headers of a request must be there."""
_UNREAD_SECONDS = 30.0
"""Until a client reads on, once it has read nothing of what waits for it."""
_KEEP_ALIVE_SECONDS = 15
_HEADER_BYTES = 16_384
_MESSAGE_BYTES = 2**20
"""Of one message of a WebSocket."""


class BoundedProtocol(H11Protocol):
    """HTTP whose clients must send the headers of a request in time, and read their answers."""

    _clock: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _is_upgraded = False

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._set_clock()

    def data_received(self, data: bytes) -> None:
        """Start the clock with the first byte of a request, and stop it when its headers are there."""
        super().data_received(data)
        self._set_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop it."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Let go of the connection, and of its clock."""
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def _set_clock(self) -> None:
        if self._is_upgraded or (self.cycle is not None and not self.cycle.response_complete):
            self._stop_clock()
        elif self._clock is None:
            self._clock = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class Server(uvicorn.Server):
    """A server that ends by SIGTERM and SIGINT with exit code 0, when all that it let in is answered."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, end at the second; uvicorn's own raises them again afterwards."""
        if self.should_exit:  # what is cancelled now is no fault to be logged
            self.force_exit = logging.getLogger("uvicorn.error").disabled = True
        self.should_exit = self._service.is_draining = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        settings = self._service.settings
        if self.started and settings.socket is None:
            port = self.servers[0].sockets[0].getsockname()[1]
            _log.info("ready at http://%s:%d/v1", settings.host, port)
        elif self.started:
            _log.info("ready at unix:%s", settings.socket)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it ends, and answer what was let in."""
        _log.info("no new requests are taken; those at work are answered")
        await super().shutdown(sockets)


def check_address(settings: ServeSettings) -> None:
    """Refuse an address that cannot be listened at, before models are loaded.

    Raises:
        ConfigError: another program listens there, it is not this machine's, or this user may not.
    """
    where, addresses = settings.socket or f"{settings.host}:{settings.port}", list[tuple[Any, Any]]()
    try:
        if settings.socket is None:
            infos = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
            addresses = [(family, address) for family, _, _, _, address in infos]
        elif Path(settings.socket).is_socket():  # a killed server's is taken over
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(settings.socket) == 0:
                    raise OSError("another program listens there")
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(settings.socket)
            Path(settings.socket).unlink()
        for family, address in addresses:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise ConfigError(
            f"{where}: expected an address to listen at, found: {error.strerror or error}; choose another "
            "(--host, --port, --socket)"
        ) from None


def is_of_server(record: logging.LogRecord) -> bool:
    """Return whether uvicorn's log line is about the server; a client is told what it sent wrong."""
    return record.exc_info is None or not isinstance(record.exc_info[1], UnicodeDecodeError)


def make_server(app: FastAPI, service: Service) -> Server:
    """Return the server of an application."""
    settings = service.settings
    logging.getLogger("uvicorn.error").addFilter(is_of_server)
    where: dict[str, Any] = {"host": settings.host, "port": settings.port}
    config = uvicorn.Config(
        app,
        **({"uds": settings.socket} if settings.socket else where),
        http=BoundedProtocol,
        ws="websockets-sansio" if settings.simultaneous else "none",
        ws_max_size=_MESSAGE_BYTES,
        ws_ping_interval=None,  # who is silent is sent away, and what waits to be read may hold a pong up
        ws_per_message_deflate=False,
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.timeout),
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )
    return Server(config, service)
