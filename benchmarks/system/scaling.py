"""Throughput at one and two workers: recognition and translation on Ray workers with one thread each.

What more workers would bring is simulated from it, when the page is written.
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

from benchmarks.common.paths import ROOT
from benchmarks.common.sections import Result, section_parser
from benchmarks.system.simulation import STAGES

PAGE = "scaling"
WORKERS = (1, 2)


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.system scaling", __doc__)
    section.add_argument("--utterances", type=int, default=128)
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """The times of every shard at one and at two workers."""
    from benchmarks.common.repeat_manifest import write_manifest

    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "manifest.jsonl", options.utterances, longest=15.0)
        runs = [measure_workers(workers, manifest) for workers in WORKERS]
    yield Result("runs", runs)


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
