<<<<<<< HEAD
"""How busy many cards are over 10,000 hours of speech: simulated, from what loading and the driver cost.
=======
"""Throughput at one and two workers: recognition and translation on Ray workers with one thread each.
>>>>>>> shards

Loading is measured here: recordings of the sample set under many names are opened, checked and digested by
the data node, as new and, in another store, with their digests remembered. What the run's process costs for
a row is read from the stored outputs of the section growth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.measurements import read_measurements
from benchmarks.common.processes import own_environment
from benchmarks.common.sections import Result, section_parser
from benchmarks.common.synthetic_texts import write_rows
from benchmarks.system.simulation import Costs, make_shards, simulate, size_real_pools

PAGE = "scaling"
RATES = (0.02, 0.005)
"""Seconds of a card for a second of audio of the two nodes: together r = 0.025."""
COSTS = Costs(start=30.0, model=60.0, lost_every=100 * 3600, restart=60.0)
"""What is assumed: Ray starts, a model is read, a worker is lost in a hundred hours, and another comes."""
HOURS, CARDS, RECORDING = 10_000, 64, 10.0
GRID = ((10, 100, 10_000), (1, 2, 4, 8, 16, 32, 64, 128, 256))


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.system scaling", __doc__)
    section.add_argument("--recordings", type=int, default=2000)
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What loading costs, then what is simulated with it."""
    loading = measure_loading(options.recordings)
    yield Result("loading", loading)
    rows = read_measurements("growth", options.out)["ray"]
    runs = rows["runs"]
    driver = (runs["large"]["driver_cpu"] - runs["start"]["driver_cpu"]) / rows["rows"][1]
    new, again = (loading[name]["cpu"] / loading["recordings"] for name in ("new", "again"))
    costs = COSTS._replace(driver=driver)

    def with_loading(seconds: float) -> Costs:
        """Rows are loaded by the workers' processors, no faster than the driver reads them."""
        return costs._replace(loading=max(driver, seconds / (2 * CARDS)))

    shards = make_shards(HOURS, RECORDING)
    variants = {
        "everything": (with_loading(new), RECORDING),
        "digests remembered": (with_loading(again), RECORDING),
        "recordings of an hour": (with_loading(new), 3600.0),
        "without loading": (costs, RECORDING),
        "without lost workers": (with_loading(new)._replace(lost_every=0.0), RECORDING),
        "shards alone": (Costs(), RECORDING),
    }
    cases = {
        name: simulate_case(make_shards(HOURS, seconds) if seconds != RECORDING else shards, CARDS, cost)
        for name, (cost, seconds) in variants.items()
    }
    whole, sets = variants["everything"][0], {hours: make_shards(hours, RECORDING) for hours in GRID[0]}
    grid = {str(hours): [simulate_case(sets[hours], cards, whole) for cards in GRID[1]] for hours in sets}
    basis = {"rates": RATES, "hours": HOURS, "cards": CARDS, "recording": RECORDING, **costs._asdict()}
    yield Result("simulated", {"basis": {**basis, "new": new, "again": again}, "cases": cases, "grid": grid})


<<<<<<< HEAD
def simulate_case(shards: Any, cards: int, costs: Costs) -> dict[str, Any]:
    """What came out on so many cards; one card has both models and does a node after the other."""
    rates = RATES if cards > 1 else (sum(RATES),)
    simulated = simulate(shards, rates, size_real_pools(rates, cards, shards), costs)
    return {"cards": cards, "shards": len(shards), **simulated._asdict()}


def measure_loading(count: int) -> dict[str, Any]:
    """Wall and CPU seconds of the data node over so many recordings, as new and with digests remembered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = write_recordings(folder, count)
        runs = {}
        for run in ("new", "again"):
            command = [sys.executable, "-m", __spec__.name, str(folder / "audio.jsonl"), str(folder / run)]
            environment = own_environment(folder)
            process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            runs[run] = json.loads(process.stdout)
        return {"recordings": count, "audio": seconds, **runs}


def write_recordings(folder: Path, count: int) -> float:
    """Write a manifest of copies of the sample's recordings; gives back seconds of audio."""
    from components.data import load

    spoken = [u.audio for u in load("sample").utterances if u.audio is not None and u.audio.seconds <= 15]
    rows, seconds = [], 0.0
    for number in range(count):
        audio = spoken[number % len(spoken)]
        path = folder / f"{number:06}{Path(audio.path).suffix}"
        path.write_bytes(Path(audio.path).read_bytes())
        seconds += audio.seconds
        rows.append({"id": path.stem, "audio": path.name, "source_language": "en"})
    write_rows(folder / "audio.jsonl", rows)
    then = time.time() - 60  # a file that has just been written is not remembered
    for path in folder.iterdir():
        os.utime(path, (then, then))
    return seconds


def load_here(manifest: str, store: str) -> dict[str, float]:
    """Load a data set in this process."""
    from components.data.stage import store_data
    from components.storage.store import Store

    begun, cpu = time.perf_counter(), time.process_time()
    store_data(manifest, None, (None, None), None, Store(store))
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


if __name__ == "__main__":  # one run, in a process of its own
    print(json.dumps(load_here(*sys.argv[1:])))
=======
def run_child(workers: int, manifest: Path, folder: Path) -> dict[str, Any]:
    """One measurement: both stages on Ray on this machine, its shards' times and landings."""
    from prefect import flow

    from components.pipeline.pipeline import DATA
    from components.pipeline.reader import read_pipeline
    from components.run_record import StageRef
    from components.storage.shards.shard import name_of
    from components.storage.stages.reader import read_shards, read_utterances
    from components.storage.store import Store
    from flows.server import settings  # noqa: F401 - before Prefect is imported
    from tasks.engines.engine import use_engine
    from tasks.execution.executor import execute
    from tasks.stages import data
    from tasks.task_options import unwrap

    store = Store(str(folder / "store"))

    def times_of(ref: StageRef, begun: float, ended: float) -> dict[str, Any]:
        shards = read_shards(ref)
        headers = [store.find_shard(shard.key) for shard in shards]
        landed = [(store.root / name_of(shard.key)).stat().st_mtime for shard in shards]
        seconds = [header.seconds for header in headers if header is not None]
        return {"wall": ended - begun, "shards": seconds, "landed": sorted(when - begun for when in landed)}

    @flow(name="scaling", persist_result=False)
    def scaling() -> dict[str, Any]:
        loaded = unwrap(data.load_data(str(manifest), None, None, None, None, store))
        each = {"resources": {"cpus": 1, "replicas": workers}}
        nodes = {
            "asr": {"kind": "recognize", "beam_size": 1, "n_best": 1, **each},
            "mt": {"kind": "translate", "of": "asr", **each},
        }
        pipeline, times = read_pipeline({"nodes": nodes}), {}
        url = store.backend.url
        for stage in STAGES:
            begun = time.time()
            executed = execute(pipeline.subgraph_of(stage), {DATA: loaded}, url, 0)
            executed.raise_first_error()
            times[stage] = times_of(executed.stages[stage], begun, time.time())
        audio = sum(u.audio.seconds for u in read_utterances(loaded) if u.audio)
        return {"workers": workers, "audio": audio, "items": loaded.items, **times}

    with use_engine("ray"):
        return scaling()


def measure_workers(workers: int, manifest: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect", "OMP_NUM_THREADS": "1"}
        module = "benchmarks.system.scaling"
        command = [sys.executable, "-m", module, str(workers), str(manifest), folder]
        process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(process.stdout.decode().strip().splitlines()[-1]))


if __name__ == "__main__":  # one measurement, in a process of its own
    count, data_manifest, work = sys.argv[1:]
    print(json.dumps(run_child(int(count), Path(data_manifest), Path(work))))
>>>>>>> shards
