"""What random SIGKILLs cost: workers of Ray, drivers on Ray and local drivers are killed while they compute.

Every kill is noted; with ``--work`` a section that was interrupted goes on where it was. Shards that were
computed again are counted by a log that the nodes' function appends to, bytes are compared with those of
a run that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.processes import antiphon, measure_command, own_environment
from benchmarks.common.sections import Result, option
from benchmarks.system.killing import (
    NODES,
    count_begun,
    count_calls,
    count_lost_rows,
    count_wrong_shards,
    has_finished,
    kill_below,
    read_outcomes,
    wait_until,
    write_graph,
)

PAGE = "kills"
WORKER, RAY_DRIVER, DRIVER, LOCAL = "worker", "Ray's driver", "run on Ray", "local run"
ENGINES = {"ray": (WORKER, RAY_DRIVER, DRIVER), "local": (LOCAL,)}
"""Engine -> what is killed of a run on it."""
OPTIONS = {
    "workers": option(70, "of Ray that are killed"),
    "drivers": option(10, "of each sort that are killed"),
    "shards": option(300),
    "seconds": option(0.3, "that a shard of a node takes"),
    "work": option(Path, "folder that keeps what was done"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What was computed again, wrong or lost, by engine."""
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        undisturbed = prepare(work / "undisturbed", options)
        if not has_finished(undisturbed / "store", "run"):
            measure_command(run_command(), environment_of(undisturbed, "local"), undisturbed)
        expected = read_outcomes(undisturbed / "store", "run")
        for engine, sorts in ENGINES.items():
            wanted = {sort: options.workers if sort == WORKER else options.drivers for sort in sorts}
            place = prepare(work / engine, options)
            rounds = list(run_rounds(place, engine, wanted))
            kills: Counter[str] = Counter()
            again = lost = wrong = 0
            for folder_of_round in rounds:
                kills.update(read_kills(folder_of_round))
                outcomes = read_outcomes(folder_of_round / "store", "run")
                begun = count_begun(folder_of_round, outcomes.shard_of)
                again += begun.total() - len(begun)
                lost += count_lost_rows(outcomes)
                wrong += count_wrong_shards(outcomes, expected)
            shards = sum(map(len, expected.lines.values())) - len(expected.lines["data"])
            yield Result(
                engine,
                {
                    **{"kills": dict(kills), "again": again, "lost": lost, "wrong": wrong},
                    **{"shards": shards, "rows": len(expected.shard_of), "rounds": len(rounds)},
                },
            )


def prepare(folder: Path, options: argparse.Namespace) -> Path:
    """Write the graph into a folder; gives it back."""
    write_graph(folder, options.shards, (options.seconds,) * len(NODES))
    return folder


def run_command() -> list[str]:
    """The command that is killed and typed again."""
    return antiphon(
        "run", "graph.yaml", "--data", "texts.jsonl", "--store", "store", "--name", "run", "--replace"
    )


def environment_of(folder: Path, engine: str) -> dict[str, str]:
    """The environment of the command."""
    return own_environment(folder) | {"ANTIPHON_ENGINE": engine}


def read_kills(folder: Path) -> list[str]:
    """What was killed so far."""
    path = folder / "kills.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_rounds(base: Path, engine: str, wanted: dict[str, int]) -> Iterator[Path]:
    """Run the graph, killing, as often as it takes for all kills; the folder of each finished run."""
    number = 0
    while sum(wanted.values()) > 0:
        folder = base / f"round{number}"
        folder.mkdir(exist_ok=True)
        for name in ("graph.yaml", "steps.py", "texts.jsonl"):
            (folder / name).write_bytes((base / name).read_bytes())
        left = Counter(wanted)
        left.subtract(read_kills(folder))
        while not has_finished(folder / "store", "run"):
            run_and_kill(folder, engine, left)
        for sort in read_kills(folder):
            wanted[sort] -= 1
        number += 1
        yield folder


def run_and_kill(folder: Path, engine: str, left: Counter[str]) -> None:
    """Run the graph until it ends by itself or a kill; ``left`` says what is still to be killed."""
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            run_command(),
            cwd=folder,
            env=environment_of(folder, engine),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    draw = random.Random(process.pid)
    while process.poll() is None:
        before = count_calls(folder)
        if not wait_until(lambda before=before: count_calls(folder) > before, process):
            break
        if not (sorts := sorted(left.elements())):
            process.wait()
            break
        time.sleep(draw.uniform(0, 1.5))
        sort = draw.choice(sorts)
        if not kill_one(sort, process, draw):
            continue
        left[sort] -= 1
        with (folder / "kills.jsonl").open("a") as file:
            file.write(json.dumps(sort) + "\n")
        if sort != WORKER:
            process.wait()
    if process.returncode not in (0, -9, 1):
        raise SystemExit(f"expected a run that ends or is killed, found exit code {process.returncode}")


def kill_one(sort: str, process: subprocess.Popen[bytes], draw: random.Random) -> bool:
    """Kill one process of a sort, of those of a run; whether there was one."""
    if sort == WORKER:
        return kill_below(process.pid, "ray::MapWorker", draw.choice)
    if sort == RAY_DRIVER:
        return kill_below(process.pid, "tasks.engines.ray.driver", draw.choice)
    process.kill()
    return True
