"""Clients of a server that speaks OpenAI's protocol: many at once, slow, gone in the middle, hostile."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

from benchmarks.common.paths import ROOT

SAMPLES = ROOT / "components" / "samples"
TRANSCRIBE, TRANSLATE, CHAT = "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions"
_TIMEOUT = httpx.Timeout(900)
_BOUNDARY = "b0undary"


class Recording(NamedTuple):
    """A recording of the sample set."""

    id: str
    content: bytes


class Answer(NamedTuple):
    """What a client got: the recording's id, status, seconds, and the JSON."""

    id: str
    status: int
    seconds: float
    body: dict[str, Any]


def sample_recordings() -> list[Recording]:
    """The recordings of the sample set, in order."""
    lines = (SAMPLES / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Recording(row["id"], (SAMPLES / row["audio"]).read_bytes()) for row in rows]


async def ask_all(
    url: str,
    recordings: Sequence[Recording],
    clients: int,
    path: str = TRANSCRIBE,
    form: str = "nodes",
    field: str = "file",
) -> tuple[list[Answer], float]:
    """Send recordings by so many clients, each the next when it has its answer; answers and wall seconds."""
    answers, waiting = list[Answer](), iter(recordings)
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, limits=limits) as connection:

        async def ask() -> None:
            for recording in waiting:
                answers.append(await _ask(connection, recording, path, form, field))

        begun = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(clients)))
        return answers, time.perf_counter() - begun


async def _ask(
    connection: httpx.AsyncClient, recording: Recording, path: str, form: str, field: str = "file"
) -> Answer:
    begun = time.perf_counter()
    files = {field: ("recording", recording.content)}
    answer = await connection.post(path, files=files, data={"response_format": form})
    return Answer(recording.id, answer.status_code, time.perf_counter() - begun, answer.json())


async def storm(
    url: str, recordings: Sequence[Recording], count: int, clients: int, seed: int
) -> Counter[str]:
    """Send ``count`` requests of which some are cancelled, are no recordings, or come slowly.

    Returns:
        How many ended how; ``another's text`` and ``lost`` are what must not be.
    """
    generator, ended = random.Random(seed), Counter[str]()
    first, _ = await ask_all(url, recordings, 1)
    texts = {answer.id: answer.body["text"] for answer in first}
    numbers = iter(range(count))
    limits = httpx.Limits(max_connections=2 * clients)
    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, limits=limits) as connection:

        async def ask() -> None:
            for _ in numbers:
                ended[await _ask_badly(connection, generator.choice(recordings), texts, generator)] += 1

        await asyncio.gather(*(ask() for _ in range(clients)))
    return ended


async def _ask_badly(
    connection: httpx.AsyncClient, recording: Recording, texts: dict[str, str], generator: random.Random
) -> str:
    draw = generator.random()
    if draw < 0.15:  # the client goes
        task = asyncio.create_task(_ask(connection, recording, TRANSCRIBE, "json"))
        await asyncio.sleep(generator.uniform(0, 2))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return "cancelled"
    if draw < 0.25:
        broken = recording.content[: generator.randrange(len(recording.content))]
        answer = await _ask(connection, Recording(recording.id, broken), TRANSCRIBE, "json")
        return "bad audio refused" if answer.status == 400 else f"bad audio {answer.status}"
    if draw < 0.30:
        content = form_of(recording.content)

        async def drip() -> Any:
            for start in range(0, len(content), max(1, len(content) // 8)):
                yield content[start : start + max(1, len(content) // 8)]
                await asyncio.sleep(0.3)

        headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
        slow = await connection.post(TRANSCRIBE, content=drip(), headers=headers)
        return _judge(slow.status_code, slow.json().get("text"), texts[recording.id], "slow ")
    answer = await _ask(connection, recording, TRANSCRIBE, "json")
    return _judge(answer.status, answer.body.get("text"), texts[recording.id])


def _judge(status: int, text: str | None, expected: str, kind: str = "") -> str:
    if status == 429:
        return f"{kind}told 429"
    if status != 200:
        return "lost"
    return f"{kind}answered" if text == expected else "another's text"


def form_of(content: bytes, name: str = "file", file_name: str = "x.wav") -> bytes:
    """A form with one file."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
    return head.encode("utf-8", "replace") + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


def hostile_requests() -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Yield kinds of hostile requests without end: kind, path, headers, body."""
    form = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    number = 0
    while True:
        number += 1
        yield "two gigabytes", TRANSCRIBE, {**form, "content-length": str(2**31)}, b"x" * 65_536
        yield "many parts", TRANSCRIBE, form, form_of(b"x", "a").replace(b"--\r\n", b"\r\n") * 20_000
        yield "long part header", TRANSCRIBE, form, f"--{_BOUNDARY}\r\nA: ".encode() + b"x" * 5_000_000
        yield "long field", TRANSCRIBE, form, form_of(b"x" * 5_000_000, "model")
        yield "path name", TRANSCRIBE, form, form_of(b"no sound", file_name=f"../../../etc/x{number}\0.wav")
        yield "path as field", TRANSCRIBE, form, form_of(b"/etc/passwd", "file")
        yield "zeros", TRANSCRIBE, form, form_of(bytes(2_000_000))
        yield (
            "cut header",
            TRANSCRIBE,
            form,
            form_of(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\1\0\0\0\1\0\0\0"),
        )
        yield "no form", TRANSCRIBE, {"content-type": "application/json"}, b"{}"
        yield "no boundary", TRANSCRIBE, {"content-type": "multipart/form-data"}, b"x" * 1000
        yield "deep JSON", CHAT, {}, b'{"messages":' + b"[" * 100_000
        yield "long JSON", CHAT, {}, b'{"messages":"' + b"x" * 5_000_000 + b'"}'
        yield (
            "wide JSON",
            CHAT,
            {},
            json.dumps({"messages": [{"role": "user", "content": "x"}] * 2_000}).encode(),
        )
        yield "NaN", CHAT, {}, b'{"messages": NaN}'
        yield (
            "lone surrogate",
            CHAT,
            {},
            b'{"messages":[{"role":"user","content":"\\ud800"}],"model":"\\ud800"}',
        )
        yield "unknown model", CHAT, {}, b'{"model":"../../x","messages":[{"role":"user","content":"a"}]}'
        yield "unknown path", "/v1/../../etc/passwd", {}, b""
        yield "page of another site", CHAT, {"origin": "http://evil.example"}, b"{}"
        yield "name of another host", CHAT, {"host": "evil.example"}, b"{}"


async def attack(port: int, count: int) -> dict[str, list[int]]:
    """Send hostile requests; kind -> the statuses of the answers (0: the connection was closed)."""
    statuses: dict[str, list[int]] = {}
    for _, (kind, path, headers, body) in zip(range(count), hostile_requests(), strict=False):
        statuses.setdefault(kind, []).append(await _send_raw(port, path, headers, body))
    return statuses


async def _send_raw(port: int, path: str, headers: dict[str, str], body: bytes) -> int:
    """Send a request as it is, its body again and again up to the length that it states; the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stated = int(headers.get("content-length", len(body)))
    lines = {"host": "127.0.0.1", "connection": "close", **headers, "content-length": str(stated)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    answer, line = asyncio.create_task(reader.readline()), b""
    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
        for start in range(0, stated, max(1, len(body))):
            if answer.done():
                break
            writer.write(body[: stated - start])
            await writer.drain()
        line = await asyncio.wait_for(answer, 120)
    except (OSError, TimeoutError):
        with suppress(OSError):
            line = await asyncio.wait_for(answer, 5)
    writer.close()
    fields = line.split()
    return int(fields[1]) if len(fields) > 1 else 0


def send_slow_headers(host: str, port: int, count: int, seconds: float) -> int:
    """Open connections that never finish their headers; how many the server has closed after so long."""
    sockets = [socket.create_connection((host, port)) for _ in range(count)]
    for each in sockets:
        each.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    time.sleep(seconds)
    closed = 0
    for each in sockets:
        each.settimeout(0.1)
        with suppress(OSError):
            closed += each.recv(1) == b""
        each.close()
    return closed
