"""OpenAI's endpoints over a graph of functions, asked in this process."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import httpx
import numpy as np
import pytest
import soundfile

from components.errors import DataError
from components.nodes.node_context import Item
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Segment
from components.serving.graph import ServedGraph
from components.serving.http import uploads
from components.serving.http.app import make_app
from components.serving.http.streamed import Parts
from components.serving.measures import Measures
from components.serving.requests import GraphRequest
from components.serving.scheduler import BatchLimits, Scheduler
from components.serving.service import Service
from components.serving.settings import ServeSettings
from tests.components.serving.graphs import CASCADE, COMPONENTS, Function, each, hear, make_graph, text

TRANSCRIBE, TRANSLATE, CHAT = "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions"


def wave(seconds: float) -> bytes:
    """A WAV file of noise."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000)).astype("float32")
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, format="WAV")
    return content.getvalue()


@asynccontextmanager
async def serving(
    graph: ServedGraph | None = None, token: str | None = None, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """A client of a server."""
    service = Service(graph or make_graph(), ServeSettings(**settings))
    transport = httpx.ASGITransport(make_app(service, token), raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client, service
    finally:
        service.close()


async def send(
    client: httpx.AsyncClient, path: str = TRANSCRIBE, content: bytes | None = None, **fields: Any
) -> httpx.Response:
    """Send a recording."""
    return await client.post(path, files={"file": ("../../x.wav", content or wave(1))}, data=fields)


def test_every_form_of_an_answer() -> None:
    async def ask() -> None:
        async with serving() as (client, service):
            full = Mock(take=Mock(side_effect=OSError("no space")))
            service.listeners.append(full)
            answer = await send(client)
            assert answer.json() == {"text": "heard 1.00"} and full.take.called
            assert answer.headers["x-antiphon-graph"] == service.graph.key
            assert (await send(client, response_format="text")).text == "heard 1.00\n"
            assert (await send(client, TRANSLATE)).json() == {"text": "de: heard 1.00"}
            srt = await send(client, TRANSLATE, response_format="srt")
            assert srt.text == "1\n00:00:00,000 --> 00:00:01,000\nde: heard 1.00\n\n"
            vtt = await send(client, response_format="vtt")
            assert vtt.text.startswith("WEBVTT\n\n") and vtt.headers["content-type"].startswith("text/vtt")
            fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
            verbose = (await send(client, **fields)).json()
            assert (verbose["task"], verbose["language"], verbose["duration"]) == (
                "transcribe",
                "english",
                1.0,
            )
            assert verbose["words"][1] == {"word": "1.00", "start": 0.5, "end": 1.0}
            (segment,) = verbose["segments"]
            assert (segment["seek"], segment["avg_logprob"]) == (0, -0.5)
            verbose = (await send(client, TRANSLATE, response_format="verbose_json")).json()
            assert (verbose["task"], verbose["language"]) == ("translate", "german")
            refused = await send(client, TRANSLATE, **fields)  # before anything is computed
            assert refused.status_code == 400 and "none at mt; set word_times" in refused.text
            metrics = (await client.get("/metrics")).text
            assert 'antiphon_batch_items_count{node="mt"} 3.0' in metrics
            assert "antiphon_audio_seconds_total 7.0" in metrics
            nodes = (await send(client, TRANSLATE, wave(3), response_format="nodes")).json()["nodes"]
            assert {name: node.get("text") or node["branch"] for name, node in nodes.items()} == {
                "fast": "heard 3.00",
                "doubt": "escalate",
                "good": "heard 3.00 well",
                "asr": "heard 3.00 well",
                "mt": "de: heard 3.00 well",
            }
            whole = Hypothesis(text="heard", score=-3, n_tokens=2, system="test")  # of a stack, say
            with patch.object(NBest, "best", whole):
                untimed = await send(client, **fields)
                verbose = (await send(client, TRANSLATE, response_format="verbose_json")).json()
            (segment,) = verbose["segments"]  # over the time of what is translated
            assert [segment[name] for name in ("start", "end", "avg_logprob")] == [0, 1, -1.5]
            segments = [
                Segment(start=n, end=n + 1, text="x", mean_log_prob=m) for n, m in ((1.5, None), (3, -2))
            ]
            with patch.object(NBest, "best", whole.model_copy(update={"segments": segments})):
                verbose = (await send(client, response_format="verbose_json")).json()
            values = [(each["id"], each["seek"], each["avg_logprob"]) for each in verbose["segments"]]
            assert values == [(0, 150, -1.5), (1, 300, -2)]
            assert untimed.status_code == 400 and "expected a graph that times words" in untimed.text
            assert not list(service.spool.glob("upload-*"))
            full.take.side_effect = ValueError("a fault of ours")
            fault = await send(client)
            assert fault.status_code == 500 and fault.json()["error"]["code"] == "server_error"

    asyncio.run(ask())


def test_the_key_is_of_what_decides_a_text() -> None:
    """Which node reads which, what is an output, and the language that is written unless one is asked for."""
    graph, other = make_graph(), CASCADE.replace("translate, of: asr", "translate, of: fast")
    routed = CASCADE.replace("when: doubt.escalate", "when: doubt.keep")
    swapped = f"{CASCADE}outputs: {{transcript: fast, translation: mt}}\n"
    languages = CASCADE.replace("target_language: de", "target_language: fr")
    keys = {make_graph(written=written).key for written in (other, routed, swapped, languages)}
    assert graph.key == make_graph().key and len(keys | {graph.key}) == 5


def test_chat_names_and_counters() -> None:
    async def ask() -> None:
        async with serving() as (client, _):
            models = {model["id"]: model for model in (await client.get("/v1/models")).json()["data"]}
            assert list(models) == ["cascade", "cascade/transcript", "cascade/translation"]
            assert (await client.get("/v1/models/")).json()["data"] == list(models.values())
            for path in ("cascade", "cascade/transcript", "cascade%2Ftranslation"):
                assert (await client.get(f"/v1/models/{path}")).json() == models[path.replace("%2F", "/")]
            unknown = (await client.get("/v1/models/cascad")).json()["error"]
            assert unknown["code"] == "model_not_found" and "did you mean cascade" in unknown["message"]
            messages = [{"role": "system", "content": "x"}, {"role": "user", "content": "A cat."}]
            answer = (await client.post(CHAT, json={"messages": messages, "target_language": "fr"})).json()
            assert answer["choices"][0]["message"]["content"] == "fr: A cat."
            nothing = {"stream": None, "n": None, "tools": [], "response_format": {"type": "text"}}
            others = {**nothing, "temperature": 0.7, "top_p": None, "ö\r\n": 1, "max_tokens": 5}
            taken = await client.post(CHAT, json={"messages": messages, **others})
            assert taken.status_code == 200
            assert taken.headers["x-antiphon-ignored"] == "temperature, max_tokens"
            for wish in ({"stop": "A"}, {"logprobs": True}, {"tools": [{}]}, {"modalities": ["audio"]}):
                refused = await client.post(CHAT, json={"messages": messages, **wish})
                error = refused.json()["error"]
                assert (refused.status_code, error["code"]) == (400, "unsupported_parameter")
                assert error["param"] in wish
            parts = [{"type": "text", "text": "A"}, {"type": "text", "text": "cat."}]
            whole = await client.post(CHAT, json={"messages": [{"role": "user", "content": parts}]})
            assert whole.json()["choices"][0]["message"]["content"] == "de: A\ncat."
            image = {"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "image_url"}]}
            error = (await client.post(CHAT, json={"messages": [image]})).json()["error"]
            assert error["param"] == "messages.0.content.1.type"
            assert error["message"] == "messages.0.content.1.type: expected text, found 'image_url'"
            streamed = (await client.post(CHAT, json={"messages": messages, "stream": True})).text
            events = [
                json.loads(line[6:]) for line in streamed.split("\n\n") if line and "[DONE]" not in line
            ]
            assert "".join(e["choices"][0]["delta"].get("content", "") for e in events) == "de: A cat."
            named = await send(client, model="cascade/translation", prompt="Fluss", language="en")
            assert named.json() == {"text": "de: heard 1.00"}
            assert named.headers["x-antiphon-ignored"] == "prompt"
            metrics = (await client.get("/metrics")).text
            assert 'antiphon_requests_total{endpoint="completions",status="200"} 4.0' in metrics
            assert 'endpoint="completions",status="400"} 5.0' in metrics
            assert 'antiphon_routes_total{branch="keep",node="doubt"} 5.0' in metrics
            assert (await client.get("/health")).json()["status"] == "ok"

    asyncio.run(ask())


class Words:
    """A component that gives one word of each text at a step."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self._items: dict[int, tuple[Item, int]] = {}

    def __call__(self, items: Sequence[Item]) -> list[NodeOutcome]:
        raise AssertionError("expected to be asked step by step")

    def open_session(self) -> Words:
        return self

    @property
    def keys(self) -> frozenset[int]:
        return frozenset(self._items)

    def admit(self, key: int, item: Item) -> None:
        self._items[key] = item, 0

    def drop(self, key: int) -> None:
        self._items.pop(key, None)

    def step(self) -> dict[int, NodeOutcome]:
        time.sleep(0.01)
        finished: dict[int, NodeOutcome] = {}
        for key, (item, done) in list(self._items.items()):
            words = str(item.utterance.text).split()
            if done == 2:
                assert self.gate.wait(5)
            self._items[key] = item, done + 1
            if words[done] == "refuse":
                fault = Quarantined(
                    utterance_id=item.utterance.id, stage="mt", reason="no words", detail="none"
                )
                finished[key] = fault
            elif done + 1 == len(words):
                finished[key] = text(item, " ".join(words))
        for key in finished:
            del self._items[key]
        return finished

    def begun(self, key: int) -> str:
        item, done = self._items[key]
        return " ".join(str(item.utterance.text).split()[:done])


def test_a_text_is_streamed_as_it_is_made() -> None:
    """Two words are there before the others are computed; then a refusal, and a client that goes."""
    component, other = Words(), Words()
    other.gate.set()

    async def ask() -> None:
        service = Service(make_graph({**COMPONENTS, "mt": component}), ServeSettings())
        app = make_app(service)
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        roles = list[str]()

        def call(words: str, leave: asyncio.Event) -> asyncio.Task[None]:
            body = {"messages": [{"role": "user", "content": words}], "stream": True}
            received = iter([{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}])

            async def receive() -> dict[str, Any]:
                if (message := next(received, None)) is None:
                    await leave.wait()
                    return {"type": "http.disconnect"}
                return message

            async def send(message: Any) -> None:
                await sent.put(message)

            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
                "scheme": "http", "path": CHAT, "raw_path": CHAT.encode(), "query_string": b"",
                "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            }  # fmt: skip
            return asyncio.create_task(app(scope, receive, send))

        async def parts(until: int) -> str:
            text = ""
            while len(text) < until:
                message = await asyncio.wait_for(sent.get(), 5)
                for line in message.get("body", b"").decode().split("\n\n"):
                    if line.startswith("data: {"):
                        event = json.loads(line[6:])
                        assert "error" not in event, event
                        delta = event["choices"][0]["delta"]
                        text += delta.get("content", "")
                        roles.extend(role for name, role in delta.items() if name == "role")
            return text

        try:
            leave = asyncio.Event()
            answer = call("a bc def ghi", leave)
            assert await parts(4) == "a bc" and not service.is_idle
            component.gate.set()
            assert await parts(8) == " def ghi" and roles == ["assistant"]
            await answer
            component.gate.clear()
            going = call("a bc def ghi", leave)
            assert await parts(4) == "a bc"
            leave.set()
            await asyncio.wait_for(going, 5)
            assert service.is_idle
            component.gate.set()
        finally:
            service.close()
        async with serving(make_graph({**COMPONENTS, "mt": other})) as (client, _):
            messages = [{"role": "user", "content": "refuse"}]
            refused = await client.post(CHAT, json={"messages": messages, "stream": True})
            assert refused.status_code == 400 and refused.json()["error"]["message"] == "none"
            messages[0]["content"] = "a bc refuse"
            late = await client.post(CHAT, json={"messages": messages, "stream": True})
            assert late.text.rstrip().endswith('"code": "no_words"}}')
            metrics = (await client.get("/metrics")).text
            assert 'antiphon_requests_total{endpoint="completions",status="200"} 1.0' in metrics

    asyncio.run(ask())


FAULTS = [
    ({"model": "cascad"}, 404, "did you mean cascade"),
    ({"response_format": "yaml"}, 400, "expected one of json"),
    ({"language": "German"}, 400, "de"),
    ({"stream": "yes"}, 400, "expected true or false"),
    ({"stream": "true", "response_format": "srt"}, 400, "expected json or text of what is streamed"),
    ({"timestamp_granularities[]": "word"}, 400, "of response_format verbose_json"),
    ({"timestamp_granularities[]": "line", "response_format": "verbose_json"}, 400, "word or segment"),
    ({"include[]": "logprobs"}, 400, "include: expected none"),
    ({"content": b"no sound"}, 400, "file: expected WAV"),
    ({"content": wave(1)[:20_000]}, 400, "truncated"),
    ({"content": b""}, 400, "empty"),
    (
        {"content": b"sound", "field": "fil"},
        400,
        "expected a recording in the field file, found one in 'fil'",
    ),
    ({"content": wave(5)}, 400, "at most 4 s"),
]


@pytest.mark.parametrize(("fields", "status", "words"), FAULTS)
def test_a_wrong_request_is_told_why_in_one_line(fields: dict[str, Any], status: int, words: str) -> None:
    async def ask() -> None:
        async with serving(max_seconds=4) as (client, service):
            content, field = fields.pop("content", None), fields.pop("field", "file")
            if content is not None:
                answer = await client.post(TRANSCRIBE, files={field: ("a.wav", content)})
            else:
                answer = await send(client, **fields)
            message = answer.json()["error"]["message"]
            assert answer.status_code == status and words in message and "\n" not in message
            assert str(service.spool) not in message and service.is_idle

    asyncio.run(ask())


BODIES: list[tuple[str, dict[str, str], bytes, int]] = [
    (CHAT, {}, b"[" * 100_000, 400),
    (CHAT, {}, b'{"messages": 5}', 400),
    (CHAT, {}, b"5", 400),
    (CHAT, {}, b'{"messages": [{"content": "secret"}]}', 400),
    (CHAT, {}, b'{"messages": [{"role": "user", "content": "a \\ud800 cat"}]}', 400),
    (CHAT, {}, json.dumps({"messages": [{"role": "user", "content": "a" * 60_000}]}).encode(), 413),
    (CHAT, {}, b"x" * 1_000_000, 413),
    (TRANSCRIBE, {"content-type": "text/plain"}, b"x", 415),
    (TRANSCRIBE, {"content-type": "multipart/form-data; boundary=b"}, b"x" * 1000, 400),
    (TRANSCRIBE, {"content-type": "multipart/form-data; boundary=b"}, b"--b\r\nA: " + b"x" * 99_999, 400),
    (
        TRANSCRIBE,
        {"content-type": "multipart/form-data; boundary=b"},
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 100 + b"--b--\r\n",
        400,
    ),
    (
        TRANSCRIBE,
        {"content-type": "multipart/form-data; boundary=b", "content-length": str(2**31)},
        b"x",
        413,
    ),
    ("/v1/files", {}, b"", 404),
    (CHAT, {"origin": "http://evil.example"}, b"{}", 403),
    (CHAT, {"host": "evil.example"}, b"{}", 403),
    (CHAT, {"host": "127.0.0.2.evil.example"}, b"{}", 403),
    (CHAT, {"host": "127.0.0.2:8000"}, b"{}", 400),
]


def test_a_disk_that_is_full_with_the_last_bytes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        name: str

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    async def ask() -> None:
        async with serving() as (client, service):
            Full.name = str(service.spool / "upload-1")
            Path(Full.name).touch()
            monkeypatch.setattr(uploads, "NamedTemporaryFile", lambda **_: Full())
            answer = await send(client)
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "no_space"
            assert not list(service.spool.glob("upload-*"))

    asyncio.run(ask())


@pytest.mark.parametrize(("path", "headers", "body", "status"), BODIES)
def test_hostile_bodies_are_refused(path: str, headers: dict[str, str], body: bytes, status: int) -> None:
    async def ask() -> None:
        async with serving() as (client, service):
            answer = await client.post(path, content=body, headers=headers)
            assert answer.status_code == status, answer.text
            assert (answer.headers.get("connection") == "close") == (status in (403, 413, 415))
            message = answer.json()["error"]["message"]
            assert message and not message.startswith(":") and "secret" not in message
            assert service.is_idle and not list(service.spool.glob("upload-*"))

    asyncio.run(ask())


def test_a_token_and_a_page_that_may_ask() -> None:
    async def ask() -> None:
        async with serving(token="s3cret", cors=("http://page.example",)) as (client, _):
            refused = await client.get("/v1/models")
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert (await client.get("/health")).status_code == 200
            bearer = {"authorization": "bearer s3cret", "origin": "http://page.example"}
            answer = await client.get("/v1/models", headers=bearer)
            assert answer.headers["access-control-allow-origin"] == "http://page.example"
            assert answer.headers["access-control-expose-headers"] == "*"
            assert (await client.get(CHAT, headers=bearer)).headers["allow"] == "POST"
            wrong = await client.get("/v1/models", headers={**bearer, "authorization": "bearer x"})
            assert wrong.status_code == 401
            assert wrong.headers["access-control-allow-origin"] == "http://page.example"
            asked = {"origin": "http://page.example", "access-control-request-method": "POST"}
            asked["access-control-request-headers"] = "authorization,x-stainless-lang"  # of OpenAI's client
            allowed = await client.options(CHAT, headers=asked)
            assert allowed.status_code == 200 and "POST" in allowed.headers["access-control-allow-methods"]
            evil = {**asked, "origin": "http://evil"}
            assert (await client.options(CHAT, headers=evil)).status_code == 400
            assert (await client.post(CHAT, headers={**bearer, **evil})).status_code == 403

    asyncio.run(ask())


def fail(item: Item) -> NBest:
    """Fail for recordings of three seconds, and end the process for those of four."""
    if item.utterance.audio.seconds == 3:
        raise ValueError("secret path")
    if item.utterance.audio.seconds == 4:
        sys.exit(3)
    return hear(item)


def refuse(item: Item) -> Quarantined:
    """Refuse everything."""
    return Quarantined(
        utterance_id=item.utterance.id, stage="fast", reason="no speech", detail="to de: found noise"
    )


@pytest.fixture
def slow() -> Iterator[tuple[Function, list[int]]]:
    """A recognizer that waits, and the sizes of its batches."""
    import time

    sizes: list[int] = []

    def component(items: Any) -> list[NBest]:
        sizes.append(len(items))
        time.sleep(0.2)
        return [hear(item) for item in items]

    yield component, sizes


class Broken:
    """A session that fails by a text, and then cannot even forget it; what comes next has a new one."""

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}
        self.steps: list[int] = []

    def __call__(self, items: Sequence[Item]) -> list[NodeOutcome]:
        return [text(item, "alone") for item in items]

    def open_session(self) -> Broken:
        return Broken()

    def admit(self, key: int, item: Item) -> None:
        if item.utterance.text == "refuse":
            raise ValueError(key)
        self._items[key] = item

    def drop(self, key: int) -> None:
        raise KeyError(key)

    def step(self) -> dict[int, NodeOutcome]:
        time.sleep(0.05)
        if any(item.utterance.text == "fail" for item in self._items.values()):
            raise ValueError("x")
        finished: dict[int, NodeOutcome] = {key: text(item, "x") for key, item in self._items.items()}
        self._items.clear()
        return finished


def test_a_session_or_a_card_that_fails_ends_no_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        graph = make_graph({**COMPONENTS, "mt": Broken()})
        nodes = {name: replace(node, device="cpu") for name, node in graph.nodes.items()}
        async with serving(replace(graph, nodes=nodes), timeout=5) as (client, _):
            for texts in (["fail"], ["a cat", "refuse", "a dog"], ["a cat"]):
                bodies = [{"messages": [{"role": "user", "content": content}]} for content in texts]
                answers = await asyncio.gather(*(client.post(CHAT, json=body) for body in bodies))
                assert [answer.status_code for answer in answers] == [200] * len(texts)
            with monkeypatch.context() as patched:
                patched.setattr("components.compute.device.seed_device", Mock(side_effect=RuntimeError))
                assert (await client.post(CHAT, json=bodies[0])).status_code == 500
                assert (await send(client)).status_code == 500
            assert (await client.post(CHAT, json=bodies[0])).status_code == 200
            assert (await send(client)).status_code == 200

    asyncio.run(ask())


def test_a_long_recording_holds_up_no_short_one_and_too_many_wait() -> None:
    scheduler = Scheduler(make_graph(), BatchLimits(speech=30), Measures())
    long, short = (Mock(speech=seconds) for seconds in (29.0, 1.0))
    for at_work, queue, left in (
        ([long], [short], []),
        ([short], [long], []),
        ([], [long, long, long, short], [long]),
        ([long, long], [short] * 2, [short]),
    ):
        waiting = list(queue)
        scheduler._take(waiting, at_work)
        assert waiting == left
    scheduler.close()


def test_nodes_of_a_lane_have_their_turns() -> None:
    graph, measures = make_graph(), Measures()
    scheduler = Scheduler(graph, BatchLimits(items=1), measures)
    scheduler.close()
    scheduler._is_closed = False  # without its threads
    lane = Mock(nodes=[graph.nodes["mt"], graph.nodes["fast"]], is_light=True)
    lane.at_work = lambda _: []
    for queue in (scheduler._queues["mt"], scheduler._queues["fast"]):
        queue.extend(Mock(speech=1.0, since=0.0, request=Mock(is_cancelled=False)) for _ in range(3))
    measures.watch_queues(scheduler.queue_lengths)
    assert b'antiphon_queue_items{node="mt"} 3.0' in measures.render()
    turns = [batch[0][0].name for _ in range(6) if (batch := scheduler._wait_for_batch(lane, ()))]
    assert turns == ["mt", "fast"] * 3


def test_a_recording_is_as_large_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = Mock(side_effect=DataError("x"))
    monkeypatch.setattr("components.serving.service.probe", probed)

    async def ask() -> None:
        async with serving(max_megabytes=4096, max_seconds=7) as (client, _):
            assert (await send(client)).status_code == 400

    asyncio.run(ask())
    limits = probed.call_args.args[1]
    assert (limits.file_bytes, limits.seconds) == (4_096_000_000, 7)


def test_a_part_that_comes_while_another_is_sent_is_sent_next() -> None:
    async def ask() -> None:
        listeners: list[Callable[[str], object]] = []

        async def compute(tell: Callable[[str], object]) -> GraphRequest:
            listeners.append(tell)
            return await asyncio.Future()

        parts = Parts(compute)
        await asyncio.sleep(0)
        listeners[0]("one")
        sent = parts.follow()
        assert await anext(sent) == "one"
        listeners[0]("one two")
        assert await asyncio.wait_for(anext(sent), 5) == " two"
        await parts.close()

    asyncio.run(ask())


def test_a_fault_spoils_no_other_request_of_the_batch() -> None:
    async def ask() -> None:
        async with serving(make_graph({**COMPONENTS, "fast": each(fail)})) as (client, _):
            answers = await asyncio.gather(*(send(client, content=wave(n)) for n in (1, 3, 2, 4)))
            assert [answer.status_code for answer in answers] == [200, 500, 200, 500]
            assert "secret" not in answers[1].text
            assert (await send(client)).status_code == 200
        async with serving(make_graph({**COMPONENTS, "fast": each(refuse)})) as (client, _):
            answer = await send(client)
            assert (answer.status_code, answer.json()["error"]["message"]) == (400, "to de: found noise")
        async with serving(make_graph({**COMPONENTS, "mt": each(refuse)})) as (client, _):
            asked = {"messages": [{"role": "user", "content": "A cat."}]}
            assert "to de: found noise" in (await client.post(CHAT, json=asked)).text

    asyncio.run(ask())


def test_requests_share_batches_and_too_many_are_sent_away(slow: tuple[Function, list[int]]) -> None:
    async def ask() -> None:
        async with serving(make_graph({**COMPONENTS, "fast": slow[0]}), queue=8) as (client, service):
            service._mean_seconds = 6.6
            answers = await asyncio.gather(*(send(client) for _ in range(12)))
            counts = [answer.status_code for answer in answers]
            assert (counts.count(200), counts.count(429)) == (8, 4)
            late = next(a for a in answers if a.status_code == 429)
            assert (late.headers["retry-after"], late.headers["connection"]) == ("7", "close")
            assert 2.8 < service._mean_seconds < 3.2
            service.enter()
            assert "antiphon_requests_in_flight 1.0" in (await client.get("/metrics")).text
            service.leave()
            assert "antiphon_requests_in_flight 0.0" in (await client.get("/metrics")).text
            assert len(slow[1]) < 8
            service.is_draining = True
            assert (await send(client)).status_code == 503

    asyncio.run(ask())


def test_a_request_is_given_up_after_its_time(slow: tuple[Function, list[int]]) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    async def pour() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 100_000

    async def ask() -> None:
        graph = make_graph({**COMPONENTS, "fast": slow[0]})
        async with serving(graph, timeout=0.05, upload_timeout=0.1) as (client, service):
            assert (await client.post(CHAT, content=pour())).status_code == 413
            assert (await send(client)).status_code == 504
            assert service._mean_seconds == pytest.approx(0.9 * 1.0 + 0.1 * 0.05)
            assert (await client.post(CHAT, content=drip())).status_code == 408
            assert service.is_idle

    asyncio.run(ask())
