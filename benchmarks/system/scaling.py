"""Throughput at one and two workers, measured, and beyond them, simulated from the measured times.

`python -m benchmarks.system.scaling` runs recognition and translation on Dask workers with one thread each,
then writes docs/results/scaling.md and scaling.png. `--simulate` only draws again from
docs/results/scaling.json, `--published` measures nothing and goes on from speeds that were published before.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.paths import RESULTS, ROOT

OUT = RESULTS
STAGES = ("asr", "mt")
HOURS = (10, 100, 10_000)
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Costs(NamedTuple):
    """Seconds: of each shard, of loading a model in a worker, of the driver for each shard."""

    shards: Sequence[float]
    load: float
    driver: float


def simulate(costs: Costs, workers: int) -> float:
    """Seconds of a stage: shards start in order where a worker is free, and land in their order.

    As in tasks/execution/node_run.py, at most two shards for each worker are in flight, so a slow one at the
    head of the line holds up those behind it; the driver prepares and keeps one shard at a time.
    """
    free = [0.0] * workers
    fresh, clock = set(range(workers)), 0.0
    order = [(0.0, number) for number in range(workers)]
    heapq.heapify(order)
    flying: deque[float] = deque()
    for seconds in costs.shards:
        if len(flying) >= 2 * workers:
            clock = max(clock, flying.popleft())
        clock += costs.driver
        when, number = heapq.heappop(order)
        begun = max(when, clock) + (costs.load if number in fresh else 0.0)
        fresh.discard(number)
        free[number] = begun + seconds
        heapq.heappush(order, (free[number], number))
        flying.append(free[number])
    return max(clock, max(flying, default=0.0))


def run_child(workers: int, manifest: Path, folder: Path) -> dict[str, Any]:
    """One measurement: both stages on a Dask cluster of this machine, its shards' times and landings."""
    from prefect import flow

    from components.pipeline.pipeline import DATA
    from components.pipeline.reader import read_pipeline
    from components.storage.reader import read_utterances
    from components.storage.stage_writer import StageWriter
    from flows.server import settings  # noqa: F401 - before Prefect is imported
    from tasks import task_runners
    from tasks.execution.executor import execute
    from tasks.stages import data
    from tasks.task_options import unwrap

    landed: dict[str, list[tuple[float, float]]] = {stage: [] for stage in (*STAGES, "data")}
    append = StageWriter.append

    def noted(self: StageWriter, outputs: Any, errors: Any, **options: Any) -> None:
        append(self, outputs, errors, **options)
        landed[self.plan.stage].append((time.perf_counter(), options["seconds"]))

    StageWriter.append = noted  # type: ignore[method-assign]

    @flow(name="scaling", task_runner=task_runners.make_runner(), persist_result=False)
    def scaling() -> dict[str, Any]:
        store = str(folder / "store")
        loaded = unwrap(data.load_data(str(manifest), None, None, None, None, store))
        nodes = {
            "asr": {"kind": "recognize", "beam_size": 1, "n_best": 1},
            "mt": {"kind": "translate", "of": "asr"},
        }
        pipeline, times = read_pipeline({"nodes": nodes}), {}
        start = time.perf_counter()
        execute(pipeline.subgraph_of("asr"), {DATA: loaded}, store, 0).raise_first_error()
        middle = time.perf_counter()
        execute(pipeline, {DATA: loaded}, store, 0).raise_first_error()
        walls = {"asr": middle - start, "mt": time.perf_counter() - middle}
        begun = {"asr": start, "mt": middle}
        for stage in STAGES:
            times[stage] = {
                "wall": walls[stage],
                "shards": [seconds for _, seconds in landed[stage]],
                "landed": [when - begun[stage] for when, _ in landed[stage]],
            }
        audio = sum(u.audio.seconds for u in read_utterances(loaded) if u.audio)
        return {"workers": workers, "audio": audio, "items": loaded.items, **times}

    return scaling()


def measure(workers: int, manifest: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect", "OMP_NUM_THREADS": "1"}
        environment |= {"ANTIPHON_RUNNER": "dask", "ANTIPHON_WORKERS": str(workers)}
        command = [sys.executable, "-m", "benchmarks.system.scaling", "--child", str(workers)]
        command += ["--manifest", str(manifest), "--folder", folder]
        process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(process.stdout.decode().strip().splitlines()[-1]))


def costs_of(times: dict[str, Any], stage: str) -> Costs:
    """What one worker's measurement says: between two shards, whatever is not computing is the driver's."""
    shards, landed = times[stage]["shards"], times[stage]["landed"]
    gaps = [b - a - seconds for a, b, seconds in zip(landed, landed[1:], shards[1:], strict=False)]
    driver = max(statistics.median(gaps), 0.0) if gaps else 0.0
    return Costs(shards, max(landed[0] - shards[0] - driver, 0.0), driver)


class Basis(NamedTuple):
    """What a simulation goes on, by stage: core-seconds of a second of audio and the seconds of the rest."""

    source: str
    items_per_hour: float
    core_seconds: dict[str, float]
    load: dict[str, float]
    driver: dict[str, float]
    spread: dict[str, list[float]]


def basis_from_measurements(one: dict[str, Any]) -> Basis:
    """The costs of one measured worker."""
    costs = {stage: costs_of(one, stage) for stage in STAGES}
    return Basis(
        "measured at one worker (above)",
        one["items"] / one["audio"] * 3600,
        {stage: sum(costs[stage].shards) / one["audio"] for stage in STAGES},
        {stage: costs[stage].load for stage in STAGES},
        {stage: costs[stage].driver for stage in STAGES},
        {stage: [x / statistics.mean(costs[stage].shards) for x in costs[stage].shards] for stage in STAGES},
    )


PUBLISHED = Basis(
    "no measurement at one worker, but earlier ones on a quiet machine: recognition 17.3 CPU s for 104 s of "
    "short recordings (docs/results/speed-recognition-earlier.md), translation 0.69 s on two threads for "
    "183 s (README); assumed: 10 s until a worker has its model, 0.08 s of the driver for each shard, "
    "equal shards",
    28 / 104 * 3600,
    {"asr": 17.3 / 104, "mt": 2 * 0.69 / 183},
    dict.fromkeys(STAGES, 10.0),
    dict.fromkeys(STAGES, 0.08),
    {stage: [1.0] for stage in STAGES},
)


def scale_costs(basis: Basis, stage: str, hours: float) -> Costs:
    """The stage over so many hours of such audio: 32 utterances a shard, 200 shards at most."""
    items = round(hours * basis.items_per_hour)
    size = max(32, -(-items // 200))
    count = -(-items // size)
    seconds = basis.core_seconds[stage] * hours * 3600 / items * size
    spread = basis.spread[stage]
    shards = [seconds * spread[n % len(spread)] for n in range(count)]
    return Costs(shards, basis.load[stage], basis.driver[stage])


def draw_speedup(basis: Basis, measured: Sequence[dict[str, Any]], path: Path) -> dict[int, list[float]]:
    """Hours of audio for each hour, by workers: simulated curves, measured points. Gives back the curves."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    curves = {
        hours: [
            hours * 3600 / sum(simulate(scale_costs(basis, stage, hours), workers) for stage in STAGES)
            for workers in WORKERS
        ]
        for hours in HOURS
    }
    single = 1 / sum(basis.core_seconds.values())
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(WORKERS, [single * n for n in WORKERS], color="0.6", linestyle=":", label="linear")
    for hours, curve in curves.items():
        axes.plot(WORKERS, curve, marker=".", label=f"{hours:,} h of audio, simulated")
    walls = [run["audio"] / sum(run[stage]["wall"] for stage in STAGES) for run in measured]
    if measured:
        axes.plot([run["workers"] for run in measured], walls, "kx", label="measured, loading included")
    axes.set(xscale="log", yscale="log", xlabel="workers (one CPU thread each)", ylabel="times real time")
    axes.set_xticks(WORKERS, [str(n) for n in WORKERS])
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return curves


def measurement_table(measured: Sequence[dict[str, Any]], count: int) -> list[str]:
    """What was measured, beside what the simulation says of it."""
    costs = measured[0]
    lines = [
        f"`python -m benchmarks.system.scaling --utterances {count}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores, {platform.machine()}: Whisper base greedy and the packaged English-German "
        f"model (beam 5) on the sample set repeated ({costs['items']} utterances, {costs['audio']:.0f} s of "
        "audio), Dask workers with one thread each, one round. Wall seconds of the stage's task from its "
        "start to its seal; starting the cluster is not in them, loading a model in each worker is. "
        "Predicted: the simulation below, given the shard times, loading and driver seconds of one worker.",
        "",
        "| stage | workers | wall s | shards' seconds, sum | first shard lands | predicted wall s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stage in STAGES:
        for run in measured:
            own = run[stage]
            predicted = simulate(costs_of(costs, stage), run["workers"])
            lines.append(
                f"| {stage} | {run['workers']} | {own['wall']:.1f} | {sum(own['shards']):.1f} "
                f"| {own['landed'][0]:.1f} | {predicted:.1f} |"
            )
    return [*lines, ""]


def format_page(
    measured: Sequence[dict[str, Any]], basis: Basis, curves: dict[int, list[float]], count: int
) -> str:
    """The results page."""
    lines = ["# How throughput grows with workers", ""]
    lines += (
        measurement_table(measured, count)
        if measured
        else ["Workers were not measured on a quiet machine.", ""]
    )
    lines += [f"The simulation goes on: {basis.source}.", "", "| | asr | mt |", "| --- | ---: | ---: |"]
    rows = {
        "core-seconds of one second of audio": basis.core_seconds,
        "seconds until a worker has its model": basis.load,
        "seconds of the driver for each shard": basis.driver,
    }
    lines += [f"| {name} | {row['asr']:.4f} | {row['mt']:.4f} |" for name, row in rows.items()]
    head = "| hours of audio | " + " | ".join(str(n) for n in WORKERS) + " |"
    lines += ["", "Simulated: times real time by workers (both stages, one after the other).", "", head]
    lines.append("| ---: |" + " ---: |" * len(WORKERS))
    for hours, curve in curves.items():
        lines.append(f"| {hours:,} | " + " | ".join(f"{value:,.0f}" for value in curve) + " |")
    return "\n".join([*lines, "", "![times real time by workers](scaling.png)", ""])


def main() -> None:
    """Run the benchmark, or one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=128)
    parser.add_argument("--simulate", action="store_true", help="measure nothing, draw again")
    parser.add_argument("--published", action="store_true", help="simulate from earlier published speeds")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--manifest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_child(options.child, options.manifest, options.folder)))
        return
    stored = options.out / "scaling.json"
    if not options.simulate and not options.published:
        from benchmarks.common.repeat_manifest import write_manifest

        with tempfile.TemporaryDirectory() as folder:
            manifest = write_manifest(Path(folder) / "manifest.jsonl", options.utterances, longest=15.0)
            runs = [measure(workers, manifest) for workers in (1, 2)]
        stored.write_text(json.dumps({"utterances": options.utterances, "measured": runs}) + "\n", "utf-8")
    times = {"measured": [], "utterances": 0} if options.published else json.loads(stored.read_text("utf-8"))
    measured = times["measured"]
    basis = basis_from_measurements(measured[0]) if measured else PUBLISHED
    curves = draw_speedup(basis, measured, options.out / "scaling.png")
    page = format_page(measured, basis, curves, times["utterances"])
    (options.out / "scaling.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
