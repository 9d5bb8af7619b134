"""Requests a second of servers and of the recognizer itself, turn by turn; what a request costs beside it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.paths import ROOT
from benchmarks.system.serving_programs import load
from benchmarks.system.serving_programs.servers import Running, free_port, own_server, serve

MODEL = "packaged:whisper-tiny.en"
PROGRAMS = ROOT / "benchmarks" / "system" / "serving_programs"
Ask = Callable[[Sequence[load.Recording], int], list[float]]
"""Recordings by so many clients -> seconds of each."""


class System(NamedTuple):
    """What is measured: its name, what asks it, and its CPU seconds so far."""

    name: str
    ask: Ask
    cpu: Callable[[], float]


def clients(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Requests a second: one client and many, the recognizer itself, other services; overhead."""
    recordings, rows, many = load.sample_recordings(), list[dict[str, Any]](), options.clients
    with _start(options, folder) as (server, systems):
        own, component, *others = systems
        cases = [(system, count) for system in (own, component) for count in (1, many)]
        cases += [(system, many) for system in others]
        for system, count in cases:
            system.ask(recordings[: 2 * count], count)  # what loads late is loaded
        for number in range(options.rounds):
            for system, count in cases:
                rows.append(_measure(system, recordings, count, number))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        overhead = _measure_overhead(server, component, recordings)
    return {"rows": rows, "overhead": overhead}


def _measure(system: System, recordings: Sequence[load.Recording], count: int, number: int) -> dict[str, Any]:
    cpu, begun = system.cpu(), time.perf_counter()
    seconds = system.ask(recordings, count)
    return {
        "system": system.name,
        "clients": count,
        "round": number,
        "requests": len(seconds),
        "seconds": time.perf_counter() - begun,
        "cpu": system.cpu() - cpu,
        "p50": statistics.median(seconds),
        "load": os.getloadavg()[0],
    }


@contextmanager
def _start(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Running, list[System]]]:
    """Yield our server, and the systems: it, its recognizer in this process, and services over another."""
    from components.models import resolve
    from components.recognition.backends.faster_whisper.model import find_ctranslate2_folder

    weights = str(find_ctranslate2_folder(resolve(MODEL)))
    with ExitStack() as stack:

        def start(name: str, command: Sequence[str], port: int, **more: str) -> tuple[Running, System]:
            ways = {"path": more.pop("path"), "field": "files"} if "path" in more else {}
            server = stack.enter_context(serve(command, folder, port, options.threads, **more))

            def ask(recordings: Sequence[load.Recording], count: int) -> list[float]:
                answers, _ = asyncio.run(load.ask_all(server.url, recordings, count, **ways))
                assert all(answer.status == 200 for answer in answers), answers
                return [answer.seconds for answer in answers]

            return server, System(name, ask, lambda: server.cpu)

        port, threads = free_port(), str(options.threads)
        server, own = start("antiphon", own_server(folder / "tiny.yaml", port), port)
        systems = [own, _open_component(options.threads)]
        port = free_port()
        plain = [sys.executable, str(PROGRAMS / "plain.py"), weights, str(port), threads]
        systems.append(start("plain", plain, port)[1])
        if options.hayhooks is not None:
            pipelines, port = folder / "pipelines" / "recognizer", free_port()
            pipelines.mkdir(parents=True)
            wrapper = (PROGRAMS / "hayhooks_wrapper.py").read_bytes()
            (pipelines / "pipeline_wrapper.py").write_bytes(wrapper)
            command = [options.hayhooks, "run", "--port", str(port)]
            command += ["--pipelines-dir", str(pipelines.parent)]
            told = {"RECOGNIZER_FOLDER": weights, "RECOGNIZER_THREADS": threads, "PYTHONPATH": ""}
            more = {"health": "/status", "path": "/recognizer/run", **told}
            systems.append(start("hayhooks", command, port, **more)[1])
        yield server, systems


def _open_component(threads: int) -> System:
    """The recognizer of the graph in this process; of so many "clients" the recordings are one batch."""
    from components import audio
    from components.compute.device import use_threads
    from components.recognition import factory
    from components.recognition.config import RecognitionConfig
    from components.records import NBest, Utterance

    recognizer = factory.build(RecognitionConfig(model=MODEL, beam_size=1, n_best=1))
    rows = [json.loads(line) for line in (load.SAMPLES / "manifest.jsonl").read_text("utf-8").splitlines()]
    utterances = {
        row["id"]: Utterance(
            id=row["id"], audio=audio.describe(load.SAMPLES / row["audio"]), source_language="en"
        )
        for row in rows
    }

    def ask(recordings: Sequence[load.Recording], count: int) -> list[float]:
        seconds = list[float]()
        with use_threads(threads):
            for start in range(0, len(recordings), count):
                batch, begun = recordings[start : start + count], time.perf_counter()
                outcomes = recognizer.recognize([utterances[each.id] for each in batch])
                assert all(isinstance(outcome, NBest) for outcome in outcomes), outcomes
                seconds += [time.perf_counter() - begun] * len(batch)
        return seconds

    return System("component", ask, time.process_time)


def _measure_overhead(
    server: Running, component: System, recordings: Sequence[load.Recording]
) -> dict[str, Any]:
    """What a request takes beyond a call of the component, recording by recording in turn; ms."""
    differences, told, calls, begun = list[float](), list[float](), 0.0, server.cpu
    for recording in recordings:
        cpu = component.cpu()
        (call,) = component.ask([recording], 1)
        calls += component.cpu() - cpu
        ((answer,), _) = asyncio.run(load.ask_all(server.url, [recording], 1))
        differences.append(answer.seconds - call)
        told.append(answer.seconds - answer.body["nodes"]["asr"]["seconds"])
    return {
        "beyond the call": _quantiles(differences),
        "beside the node": _quantiles(told),
        "cpu": 1000 * (server.cpu - begun - calls) / len(recordings),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{q}": 1000 * ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (10, 50, 90)}
