"""Throughput at one and two workers, measured, and beyond them, simulated from the measured times.

`python -m benchmarks.scaling` runs recognition and translation on Dask workers with one thread each, then
writes docs/results/scaling.md and scaling.png. `--simulate` only draws again from docs/results/scaling.json.
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

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "results"
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

    As in tasks/shards.py, at most two shards for each worker are in flight, so a slow one at the head of the
    line holds up those behind it; the driver prepares and keeps one shard at a time.
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


def child(workers: int, manifest: Path, folder: Path) -> dict[str, Any]:
    """One measurement: both stages on a Dask cluster of this machine, its shards' times and landings."""
    from prefect import flow

    from components.recognition.config import RecognitionConfig
    from components.translation.config import TranslationConfig
    from flows import settings  # noqa: F401 - before Prefect is imported
    from tasks import data, recognition, runners, translation
    from tasks.options import value_of
    from tasks.reading import utterances
    from tasks.stage import Writer

    landed: dict[str, list[tuple[float, float]]] = {stage: [] for stage in (*STAGES, "data")}
    append = Writer.append

    def noted(self: Writer, outputs: Any, errors: Any, *, seconds: float, peak: int) -> None:
        append(self, outputs, errors, seconds=seconds, peak=peak)
        landed[self.plan.stage].append((time.perf_counter(), seconds))

    Writer.append = noted  # type: ignore[method-assign]

    @flow(name="scaling", task_runner=runners.runner(), persist_result=False)
    def scaling() -> dict[str, Any]:
        store = str(folder / "store")
        read = value_of(data.load(str(manifest), None, None, None, None, store))
        walls, found = {}, {}
        asr = RecognitionConfig(beam_size=1, n_best=1)
        start = time.perf_counter()
        heard = value_of(recognition.recognise(asr, read, store, 0))
        middle = time.perf_counter()
        value_of(translation.translate(TranslationConfig(), (read, heard), store, 0))
        walls = {"asr": middle - start, "mt": time.perf_counter() - middle}
        begun = {"asr": start, "mt": middle}
        for stage in STAGES:
            found[stage] = {
                "wall": walls[stage],
                "shards": [seconds for _, seconds in landed[stage]],
                "landed": [when - begun[stage] for when, _ in landed[stage]],
            }
        audio = sum(u.audio.seconds for u in utterances(read) if u.audio)
        return {"workers": workers, "audio": audio, "items": read.items, **found}

    return scaling()


def measure(workers: int, manifest: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect", "OMP_NUM_THREADS": "1"}
        environment |= {"ANTIPHON_RUNNER": "dask", "ANTIPHON_WORKERS": str(workers)}
        command = [sys.executable, "-m", "benchmarks.scaling", "--child", str(workers)]
        command += ["--manifest", str(manifest), "--folder", folder]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(done.stdout.decode().strip().splitlines()[-1]))


def costs_of(one: dict[str, Any], stage: str) -> Costs:
    """What one worker's measurement says: after the first shard, whatever is not computing is the driver's."""
    shards, landed = one[stage]["shards"], one[stage]["landed"]
    gaps = [b - a - seconds for a, b, seconds in zip(landed, landed[1:], shards[1:], strict=False)]
    driver = max(statistics.median(gaps), 0.0) if gaps else 0.0
    return Costs(shards, max(landed[0] - shards[0] - driver, 0.0), driver)


def scaled(one: dict[str, Any], stage: str, hours: float) -> Costs:
    """The stage over so many hours of audio like the measured: 32 utterances a shard, 200 shards at most."""
    costs = costs_of(one, stage)
    items = round(hours * 3600 / one["audio"] * one["items"])
    size = max(32, -(-items // 200))
    count = -(-items // size)
    # Equal shards, but for the spread of the measured ones around their mean.
    mean = statistics.mean(costs.shards)
    shards = [costs.shards[n % len(costs.shards)] / mean for n in range(count)]
    seconds = mean * len(costs.shards) / one["items"] * size
    return Costs([share * seconds for share in shards], costs.load, costs.driver)


def draw(one: dict[str, Any], measured: Sequence[dict[str, Any]], path: Path) -> dict[int, list[float]]:
    """Hours of audio for each hour, by workers: simulated curves, measured points. Gives back the curves."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    curves = {
        hours: [
            hours * 3600 / sum(simulate(scaled(one, stage, hours), workers) for stage in STAGES)
            for workers in WORKERS
        ]
        for hours in HOURS
    }
    single = one["audio"] / sum(sum(one[stage]["shards"]) for stage in STAGES)
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    axes.plot(WORKERS, [single * n for n in WORKERS], color="0.6", linestyle=":", label="linear")
    for hours, curve in curves.items():
        axes.plot(WORKERS, curve, marker=".", label=f"{hours:,} h of audio, simulated")
    walls = [run["audio"] / sum(run[stage]["wall"] for stage in STAGES) for run in measured]
    axes.plot([run["workers"] for run in measured], walls, "kx", label="measured (model loading included)")
    axes.set(xscale="log", yscale="log", xlabel="workers (one CPU thread each)", ylabel="times real time")
    axes.set_xticks(WORKERS, [str(n) for n in WORKERS])
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return curves


def table(measured: Sequence[dict[str, Any]], curves: dict[int, list[float]], count: int) -> str:
    """The results page."""
    one = measured[0]
    lines = [
        "# How throughput grows with workers",
        "",
        f"`python -m benchmarks.scaling --utterances {count}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"{os.cpu_count()} cores, {platform.machine()}: Whisper base greedy and the packaged English-German "
        f"model (beam 5) on the sample set repeated ({one['items']} utterances, {one['audio']:.0f} s of "
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
            predicted = simulate(costs_of(one, stage), run["workers"])
            lines.append(
                f"| {stage} | {run['workers']} | {own['wall']:.1f} | {sum(own['shards']):.1f} "
                f"| {own['landed'][0]:.1f} | {predicted:.1f} |"
            )
    lines += ["", "From one worker:", "", "| | asr | mt |", "| --- | ---: | ---: |"]
    costs = {stage: costs_of(one, stage) for stage in STAGES}
    rows = {
        "core-seconds of one second of audio": [sum(costs[s].shards) / one["audio"] for s in STAGES],
        "seconds until a worker has its model": [costs[s].load for s in STAGES],
        "seconds of the driver for each shard": [costs[s].driver for s in STAGES],
    }
    lines += [f"| {name} | {values[0]:.4f} | {values[1]:.4f} |" for name, values in rows.items()]
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
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--manifest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child, options.manifest, options.folder)))
        return
    kept = options.out / "scaling.json"
    if not options.simulate:
        from benchmarks.repeated import write_manifest

        with tempfile.TemporaryDirectory() as folder:
            manifest = write_manifest(Path(folder) / "manifest.jsonl", options.utterances, longest=15.0)
            measured = [measure(workers, manifest) for workers in (1, 2)]
        kept.write_text(json.dumps({"utterances": options.utterances, "measured": measured}) + "\n", "utf-8")
    found = json.loads(kept.read_text("utf-8"))
    curves = draw(found["measured"][0], found["measured"], options.out / "scaling.png")
    page = table(found["measured"], curves, found["utterances"])
    (options.out / "scaling.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
