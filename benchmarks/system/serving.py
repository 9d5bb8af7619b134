"""What serving costs: texts, overhead, many clients, a plain service; storms, kills, hostile requests.

Servers are processes of their own, and so is what asks them. CPU seconds are those of the server's process.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.common.paths import ROOT
from benchmarks.common.processes import antiphon, read_process
from benchmarks.common.sections import Result, option
from benchmarks.system.serving_programs import load, side_by_side
from benchmarks.system.serving_programs.servers import Running, environment_of, free_port, own_server, serve

PAGE = "serving"
MODEL = "packaged:whisper-tiny.en"
GRAPH = f"""
source_language: en
nodes:
  asr: {{kind: recognize, model: "{MODEL}", beam_size: 1, n_best: 1}}
"""
FUNCTION = """
source_language: en
nodes:
  asr: {kind: python, file: steps.py, function: hear, of: data}
outputs: {transcript: asr}
"""
HEARING = """
import hashlib, time

def hear(record):
    time.sleep(0.02)
    return hashlib.sha256(open(record["audio"], "rb").read()).hexdigest()
"""
CASCADE = ROOT / "examples" / "routed_cascade.yaml"
OPTIONS = {
    "rounds": option(2, "over the sample set, for each number of clients"),
    "clients": option(16, "at once"),
    "storm": option(1000, "requests of the storm"),
    "hostile": option(200, "hostile requests"),
    "kills": option(5, "of the server by SIGKILL"),
    "hayhooks": option(str, "its command, in an environment with faster-whisper: served, too"),
    "threads": option(1, "of torch and of CTranslate2"),
    "parts": option("texts,clients,storm,heard,hostile,kills", "to be measured"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Each part by servers of its own."""
    parts = {
        "texts": texts,
        "clients": side_by_side.clients,
        "storm": storm,
        "heard": heard,
        "hostile": hostile,
        "kills": kills,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(GRAPH, encoding="utf-8")
        (folder / "steps.py").write_text(HEARING, encoding="utf-8")
        (folder / "function.yaml").write_text(FUNCTION, encoding="utf-8")
        for part in options.parts.split(","):
            yield Result(part, parts[part](options, folder), [MODEL])


def texts(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The texts of the routed cascade by the openai client, beside those of a run."""
    command = antiphon("run", str(CASCADE), "--name", "sample", "--json")
    environment = environment_of(folder, options.threads)
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    expected = _texts_of_run(folder / "store", "sample")
    port = free_port()
    with serve(own_server(CASCADE, port), folder, port, options.threads) as server:
        from openai import OpenAI

        client = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=900)
        answered: dict[str, dict[str, str]] = {"transcript": {}, "translation": {}}
        for each in load.sample_recordings():
            file = ("recording", each.content)
            answered["transcript"][each.id] = client.audio.transcriptions.create(
                model="routed_cascade", file=file
            ).text
            answered["translation"][each.id] = client.audio.translations.create(
                model="routed_cascade", file=file
            ).text
        together, _ = asyncio.run(
            load.ask_all(server.url, load.sample_recordings(), options.clients, load.TRANSLATE)
        )
    answered["translation, 16 clients"] = {answer.id: answer.body["text"] for answer in together}
    return {
        what: {
            "same": sum(expected[what.partition(",")[0]][key] == text for key, text in of.items()),
            "of": len(of),
        }
        for what, of in answered.items()
    }


def _texts_of_run(store: Path, name: str) -> dict[str, dict[str, str]]:
    from components.storage.stages.reader import read_best_texts
    from components.storage.store import Store

    opened = Store(str(store))
    run = opened.load_run(name)
    stages = {ref.stage: ref for ref in run.stages}
    return {role: read_best_texts(stages[node]) for role, node in run.pipeline.outputs.items()}


def storm(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Requests with cancels, bad audio and slow clients: how they ended, and the server's memory."""
    return _storm(options, folder, folder / "function.yaml")


def heard(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The same storm on a recognizer."""
    return _storm(options, folder, folder / "tiny.yaml")


def _storm(options: argparse.Namespace, folder: Path, graph: Path) -> dict[str, Any]:
    port = free_port()
    recordings = load.sample_recordings()
    with serve(own_server(graph, port), folder, port, options.threads) as server:
        memory, ended = list[float](), Counter[str]()
        for number in range(4):
            ended += asyncio.run(
                load.storm(server.url, recordings, options.storm // 4, options.clients, number)
            )
            memory.append(server.resident / 2**20)
            print(dict(ended), memory[-1], file=sys.stderr, flush=True)
        metrics = httpx.get(f"{server.url}/metrics").text
    in_flight = next(line for line in metrics.splitlines() if line.startswith("antiphon_requests_in_flight "))
    return {"ended": dict(ended), "memory_mib": memory, "in_flight_afterwards": float(in_flight.split()[1])}


def hostile(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Hostile requests: what they were told, and the server's memory; then a good one."""
    port = free_port()
    recordings = load.sample_recordings()
    with serve(own_server(folder / "function.yaml", port), folder, port, options.threads) as server:
        asyncio.run(load.ask_all(server.url, recordings[:4], 4))
        before = server.resident
        statuses = asyncio.run(load.attack(port, options.hostile))
        closed = load.send_slow_headers("127.0.0.1", port, 20, 13.0)
        (answer,), _ = asyncio.run(load.ask_all(server.url, recordings[:1], 1))
        peak = read_process(server.process.pid)
        return {
            "statuses": {kind: sorted(set(found)) for kind, found in statuses.items()},
            "requests": sum(map(len, statuses.values())),
            "slow_headers_closed": [closed, 20],
            "more_mib": (peak.peak - before) / 2**20,
            "tracebacks": server.log.read_text(encoding="utf-8").count("Traceback"),
            "good_afterwards": answer.status,
        }


def kills(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """SIGKILL in the middle while every request is kept: what the data set has after each."""
    from components.data import load as load_data
    from components.serving.kept_data import MANIFEST

    kept = folder / "store" / "kept" / "function"
    recordings, whole, faults, answered = load.sample_recordings(), 0, 0, 0
    for number in range(options.kills):
        port = free_port()
        with serve(
            own_server(folder / "function.yaml", port, "--keep", "1"), folder, port, options.threads
        ) as server:
            answered += asyncio.run(_ask_until_killed(server, recordings, 2 + number))
        if list(kept.glob(f"*/{MANIFEST}")):
            data = load_data(str(kept))
            whole, faults = len(data.utterances), faults + len(data.quarantined)
    return {"kills": options.kills, "answered": answered, "kept": whole, "faulty": faults}


async def _ask_until_killed(server: Running, recordings: Sequence[load.Recording], count: int) -> int:
    answered = 0

    async def ask() -> None:
        nonlocal answered
        async with httpx.AsyncClient(base_url=server.url, timeout=900) as connection:
            for each in recordings:
                try:
                    await connection.post(load.TRANSCRIBE, files={"file": ("recording", each.content)})
                except httpx.HTTPError:
                    return
                answered += 1

    async def kill() -> None:
        while answered < count:
            await asyncio.sleep(0.002)  # so that kills come at any moment of writing
        server.process.kill()

    await asyncio.gather(kill(), *(ask() for _ in range(4)))
    return answered
