"""How busy many cards are over 10,000 hours of speech: simulated, from what loading and the driver cost.

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
from benchmarks.common.sections import Result, option
from benchmarks.common.synthetic_texts import write_rows
from benchmarks.system.simulation import Costs, make_shards, simulate, size_real_pools

PAGE = "scaling"
RATES = (0.02, 0.005)
"""Seconds of a card for a second of audio of the two nodes: together r = 0.025."""
COSTS = Costs(start=30.0, model=60.0, lost_every=100 * 3600, restart=60.0)
"""What is assumed: Ray starts, a model is read, a worker is lost in a hundred hours, and another comes."""
HOURS, CARDS, RECORDING = 10_000, 64, 10.0
GRID = ((10, 100, 10_000), (1, 2, 4, 8, 16, 32, 64, 128, 256))
OPTIONS = {"recordings": option(2000)}


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
