"""A server in a thread of its own, whose recognizer hears how high a tone is."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from components.audio import decode
from components.nodes.node_context import Item
from components.records import NBest
from components.serving.graph import ServedGraph
from components.serving.http.app import make_app
from components.serving.http.server import make_server
from components.serving.service import Service
from components.serving.settings import ServeSettings
from components.simultaneous.live.endpoint import PATH, make_routes
from tests.components.serving.graphs import PLAIN_CASCADE, each, make_graph, text

Pcm = NDArray[np.int16]


def hear(item: Item) -> NBest:
    """A word for each second that has begun: how many oscillations it has, to 20; silence has no word."""
    samples = decode(item.utterance.audio)
    words = []
    for second in (samples[k : k + 16_000] for k in range(0, len(samples), 16_000)):
        if len(second) > 1600 and np.sqrt(np.mean(second**2)) > 0.01:
            height = np.argmax(np.abs(np.fft.rfft(second, 16_000)))
            words.append(str(int(20 * round(float(height) / 20))))
    return text(item, " ".join(words) or "-")


def translate(item: Item) -> NBest:
    """Every word with a mark."""
    return text(item, " ".join(f"{word}!" for word in str(item.utterance.text).split()))


def tones(*heights: int) -> Pcm:
    """A second of each tone, 16 kHz."""
    time_of = np.arange(16_000) / 16_000
    sound = np.concatenate([np.sin(2 * np.pi * height * time_of) for height in heights])
    return np.round(sound * 16_000).astype("<i2")


def hearing_graph() -> ServedGraph:
    """Hears tones, and marks them."""
    return make_graph({"asr": each(hear), "mt": each(translate)}, PLAIN_CASCADE)


@contextmanager
def live_server(
    graph: ServedGraph | None = None, token: str | None = None, **settings: Any
) -> Iterator[tuple[str, Service]]:
    """Gives host and port, and the service."""
    service = Service(graph or hearing_graph(), ServeSettings(port=0, simultaneous=True, **settings))
    server = make_server(make_app(service, token, make_routes(service)), service)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until
            time.sleep(0.01)
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", service
    finally:
        server.should_exit = True
        thread.join(30)
        service.close()


def open_socket(where: str, **options: Any) -> ClientConnection:
    """A client's WebSocket."""
    return connect(f"ws://{where}{PATH}", compression=None, **options)


def read_answers(socket: Connection) -> list[dict[str, Any]]:
    """What is answered until the server closes."""
    answers = []
    with suppress(ConnectionClosed):
        while True:
            answers.append(json.loads(socket.recv()))
    return answers


def speak(where: str, sound: Pcm, frame: int = 1600, **hello: Any) -> list[dict[str, Any]]:
    """Send sound as fast as it is taken; gives what is answered. Channels are columns."""
    with open_socket(where) as socket:
        socket.send(json.dumps(hello))

        def send() -> None:
            with suppress(ConnectionClosed):
                for start in range(0, len(sound), frame):
                    socket.send(sound[start : start + frame].tobytes())
                socket.send('{"end": true}')

        sending = threading.Thread(target=send)
        sending.start()
        answers = read_answers(socket)
        sending.join(30)
    return answers
