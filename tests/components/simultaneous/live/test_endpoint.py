"""Live streams over a real server: what a replay writes, several speakers, limits, and others beside them."""

from __future__ import annotations

import hashlib
import json
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from components.audio import decode, describe
from components.data.files.named_sets import SAMPLES
from components.errors import ConfigError
from components.nodes.node_context import Item
from components.records import Audio, NBest, Quarantined, Utterance
from components.serving.graph import ServedGraph
from components.serving.http import server as http_server
from components.serving.service import Service
from components.serving.settings import ServeSettings
from components.simultaneous.live.endpoint import PAGE, make_routes
from components.simultaneous.policies import read_policies
from components.simultaneous.replay import Replayer
from tests.components.serving.graphs import PLAIN_CASCADE, each, make_graph, text
from tests.components.serving.test_endpoints import wave as wave_file
from tests.components.simultaneous.live.servers import (
    Pcm,
    hear,
    hearing_graph,
    live_server,
    open_socket,
    read_answers,
    speak,
    tones,
    translate,
)

SOUND = tones(200, 300, 400, 500, 600, 700, 800)[:-4000]
"""6.75 s."""


def replayed(
    folder: Path, sound: Pcm, policy: str, chunk: float, graph: ServedGraph | None = None
) -> dict[str, list[tuple[float, str]]]:
    """What each node writes in a replay, and when."""
    path = folder / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    audio = Audio(path=str(path), sha256=digest, seconds=len(sound) / 16_000, sample_rate=16_000)
    graph = graph or hearing_graph()
    utterance = Utterance(id="talk", audio=audio, source_language="en", target_language="de")
    found = Replayer(graph, read_policies(policy.split(), list(graph.nodes)), chunk).replay(utterance)
    assert not found.fault
    return {
        name: [(round(delta.heard, 3), " ".join(delta.units)) for delta in deltas]
        for name, deltas in found.deltas.items()
    }


def deltas_of(answers: list[dict[str, Any]], channel: int = 0) -> dict[str, list[tuple[float, str]]]:
    """The same of a live stream."""
    found: dict[str, list[tuple[float, str]]] = {"asr": [], "mt": []}
    for each_one in answers:
        if each_one["type"] == "delta" and each_one["channel"] == channel:
            found[each_one["node"]].append((each_one["heard"], each_one["text"].strip()))
    return found


@pytest.mark.parametrize("policy", ["local_agreement:2", "asr=hold:1 mt=wait_k:2", "fixed"])
@pytest.mark.parametrize("chunk", [0.5, 10.0])
def test_a_stream_writes_what_a_replay_writes(policy: str, chunk: float, tmp_path: Path) -> None:
    with live_server() as (where, service):
        answers = speak(where, SOUND, policy=policy, chunk=chunk)
        assert not list(service.spool.glob("*.wav"))
    assert answers[0]["outputs"] == {"transcript": "asr", "translation": "mt"}
    assert deltas_of(answers) == replayed(tmp_path, SOUND, policy, chunk)
    end = answers[-1]
    assert (end["type"], end["heard"]) == ("end", 6.75)
    for node, written in end["texts"].items():
        assert written == "".join(a["text"] for a in answers if a.get("node") == node)
    assert end["texts"]["mt"] == "200! 300! 400! 500! 600! 700! 800!"


@pytest.mark.models
def test_models_write_the_same_of_a_real_recording(tmp_path: Path) -> None:
    files = [SAMPLES.parent / f"caption-0{number}.flac" for number in (1, 2)]
    samples = np.concatenate([decode(describe(str(file))) for file in files])
    sound = np.round(samples * 32767).astype("<i2")
    graph = make_graph({}, PLAIN_CASCADE)
    with live_server(graph) as (where, _):
        answers = speak(where, sound, policy="hold:2", chunk=2.2)
    expected = replayed(tmp_path, sound, "hold:2", 2.2, graph)
    assert deltas_of(answers) == expected
    assert len(expected["mt"]) > 1 and "Frau" in answers[-1]["texts"]["mt"]


def test_channels_are_speakers_each_its_own_stream(tmp_path: Path) -> None:
    other = tones(1000, 1100, 1200, 1300, 1400, 1500, 1600)[: len(SOUND)]
    with live_server() as (where, _):
        answers = speak(where, np.stack([SOUND, other], axis=1), channels=2, frame=1234)
    for channel, sound in enumerate((SOUND, other)):
        assert deltas_of(answers, channel) == replayed(tmp_path, sound, "local_agreement:2", 0.5)
    assert sorted(a["channel"] for a in answers if a["type"] == "end") == [0, 1]


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_no_sound_and_an_end_where_a_chunk_ends(seconds: float) -> None:
    with live_server() as (where, _):
        sound = SOUND[: int(seconds * 16_000)]
        end = speak(where, sound, policy="fixed", chunk=1.0)[-1]
    assert end["texts"]["asr"] == ("200 300" if seconds else "")


def test_lines_of_text_are_translated_as_they_come() -> None:
    graph = make_graph(
        {"mt": each(translate)}, PLAIN_CASCADE.replace("of: asr, ", "").replace("  asr:", "  # asr:")
    )
    with live_server(graph) as (where, _), open_socket(where) as socket:
        socket.send("{}")
        assert json.loads(socket.recv())["reads"] == "text"
        socket.send('{"text": "One two."}')
        assert json.loads(socket.recv())["text"] == "One! two.!"  # the sentence has ended
        socket.send('{"text": "Three"}')
        socket.send('{"end": true}')
        answers = read_answers(socket)
        with open_socket(where) as another:
            another.send("{}")
            another.send('{"text": "half \\ud800 of a letter."}')
            assert "expected a JSON object" in read_answers(another)[-1]["error"]["message"]
    assert answers[-1]["texts"] == {"mt": "One! two.! Three!"}


@pytest.fixture(scope="module")
def short_server() -> Iterator[tuple[str, Service]]:
    with live_server(max_seconds=2) as server:
        yield server


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([b"\0\0"], "expected a hello as JSON first"),
        (["{"], "expected a JSON object"),
        (["[" * 5000], "expected a JSON object"),
        (['{"channels": 9}'], "channels: expected at most 8, found 9"),
        (['{"chanels": 1}'], "chanels: expected no setting of this name, found 1; did you mean channels?"),
        (['{"policy": "wait"}'], "policy: expected one of local_agreement"),
        (['{"target_language": "../x"}'], "target_language"),
        (['{"channels": 2}', b"\0\0"], "in 2 channels, found 2 bytes"),
        (["{}", b""], "found 0 bytes"),
        (["{}", '{"text": "a"}'], "expected samples (binary)"),
        (["{}", '{"end": 1}'], "expected samples (binary)"),
        (["{}", b"\0\0" * 40_000], "at most 2 s of sound"),
    ],
)
def test_what_cannot_be_read_is_a_line(
    messages: list[str | bytes], words: str, short_server: tuple[str, Service]
) -> None:
    where, service = short_server
    with open_socket(where) as socket:
        for message in messages:
            socket.send(message)
        answers = read_answers(socket)
    assert words in answers[-1]["error"]["message"]
    assert "\n" not in answers[-1]["error"]["message"]
    assert socket.close_code == 1008
    assert service.is_idle


def test_text_that_is_no_utf_8_is_no_fault_of_the_server(
    short_server: tuple[str, Service], caplog: pytest.LogCaptureFixture
) -> None:
    with open_socket(short_server[0]) as socket:
        socket.send(b"\xff", text=True)
        read_answers(socket)
    assert socket.close_code == 1007 and not caplog.text


def test_who_is_silent_and_who_is_one_too_many_are_sent_away() -> None:
    with live_server(upload_timeout=0.5, queue=2) as (where, service):
        with open_socket(where) as first:
            first.send('{"channels": 2}')
            first.recv()
            with open_socket(where) as second:
                assert "at most 2 requests at once" in str(second.recv())
            assert json.loads(first.recv())["error"]["code"] == "slow"
        assert service.is_idle


def test_who_does_not_read_an_answer_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_UNREAD_SECONDS", 0.2)
    body = b'{"messages": [{"role": "user", "content": "A cat."}]}'
    long = each(lambda item: text(item, "x" * 10**7))
    graph = make_graph({"asr": each(hear), "mt": long}, PLAIN_CASCADE)
    with live_server(graph) as (where, _):
        host, port = where.split(":")
        with create_connection((host, int(port)), 10) as client:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where}\r\nContent-Length: {len(body)}"
            client.sendall(f"{head}\r\n\r\n".encode() + body)
            time.sleep(1)
            assert sum(len(part) for part in iter(lambda: client.recv(2**20), b"")) < 10**7


def test_the_token_is_for_streams_too_and_other_sites_are_refused() -> None:
    with live_server(token="secret") as (where, _):
        for options in ({}, {"subprotocols": ["antiphon", "bearer.wrong"]}):
            with pytest.raises(InvalidStatus, match="401"):
                open_socket(where, **options).close()
        open_socket(where, additional_headers={"Authorization": "Bearer secret"}).close()
        with open_socket(where, subprotocols=["antiphon", "bearer.secret"]) as socket:
            assert socket.subprotocol == "antiphon"
        page = httpx.get(f"http://{where}{PAGE}")
        assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
        assert httpx.get(f"http://{where}/v1/models").status_code == 401
    with live_server() as (where, _), pytest.raises(InvalidStatus, match="403"):
        open_socket(where, origin="http://elsewhere.example").close()


class Slow:
    """A recognizer that takes its time; when it was called."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, list[float]()

    def __call__(self, item: Item) -> NBest:
        self.calls.append(time.monotonic())
        time.sleep(self.seconds)
        return hear(item)


def test_requests_beside_a_stream_wait_for_one_chunk_at_most() -> None:
    slow = Slow(0.3)
    graph = make_graph({"asr": each(slow), "mt": each(translate)}, PLAIN_CASCADE)
    with live_server(graph, policy="fixed", chunk=0.25) as (where, _):
        socket = open_socket(where)
        socket.send("{}")
        socket.send(SOUND.tobytes())
        while len(slow.calls) < 2:
            time.sleep(0.01)
        begun = len(slow.calls)
        assert httpx.get(f"http://{where}/health").status_code == 200
        assert len(slow.calls) <= begun + 1, "computing does not hold the loop up"
        for _ in range(2):
            begun = len(slow.calls)
            files = {"file": ("x.wav", wave_file(1))}
            answer = httpx.post(f"http://{where}/v1/audio/translations", files=files, timeout=30)
            assert answer.status_code == 200
            assert len(slow.calls) <= begun + 4  # its own, a chunk before each of its nodes, the next
        assert len(slow.calls) > 5, "the stream goes on meanwhile"
        socket.close()


def test_of_a_client_that_has_gone_nothing_more_is_computed() -> None:
    slow = Slow(0.2)
    graph = make_graph({"asr": each(slow), "mt": each(translate)}, PLAIN_CASCADE)
    with live_server(graph, chunk=0.25) as (where, service):
        with open_socket(where) as socket:
            socket.send("{}")
            socket.send(SOUND.tobytes())
            socket.recv()
            time.sleep(0.3)
        time.sleep(0.5)
        count = len(slow.calls)
        time.sleep(0.5)
        assert len(slow.calls) == count < 10 and service.is_idle
        assert not list(service.spool.glob("*.wav"))


def test_a_stream_that_is_behind_may_skip_chunks() -> None:
    slow = Slow(0.3)
    graph = make_graph({"asr": each(slow), "mt": each(translate)}, PLAIN_CASCADE)
    with live_server(graph, policy="fixed", chunk=0.25) as (where, _):
        end = speak(where, SOUND, skip=True)[-1]
    assert end["texts"]["asr"] == "200 300 400 500 600 700 800"
    assert len(slow.calls) < 10  # of 27 chunks


def test_what_a_node_refuses_is_told_without_the_server_s_folders() -> None:
    def refuse(item: Item) -> Quarantined:
        detail = f"{item.utterance.audio.path}: expected speech, found noise"
        return Quarantined(utterance_id=item.utterance.id, stage="asr", reason="no speech", detail=detail)

    for component, words in ((refuse, "expected speech, found noise"), (lambda item: 1 / 0, "a node of")):
        graph = make_graph({"asr": each(component), "mt": each(translate)}, PLAIN_CASCADE)  # type: ignore[arg-type]
        with live_server(graph) as (where, service):
            message = speak(where, SOUND)[-1]["error"]["message"]
            assert words in message and str(service.spool) not in message


def test_a_graph_that_needs_whole_utterances_is_refused() -> None:
    service = Service(make_graph(), ServeSettings())
    with pytest.raises(ConfigError, match="doubt: expected nodes that can work on a prefix"):
        make_routes(service)
    service.close()
