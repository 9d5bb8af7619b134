"""Throughput at one and two workers: recognition and translation on Dask workers with one thread each.

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
    """One measurement: both stages on a Dask cluster of this machine, its shards' times and landings."""
    from prefect import flow

    from components.pipeline.pipeline import DATA
    from components.pipeline.reader import read_pipeline
    from components.storage.stages.reader import read_utterances
    from components.storage.stages.stage_writer import StageWriter
    from components.storage.store import Store
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
        loaded = unwrap(data.load_data(str(manifest), None, None, None, None, Store(store)))
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


def measure_workers(workers: int, manifest: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect", "OMP_NUM_THREADS": "1"}
        environment |= {"ANTIPHON_RUNNER": "dask", "ANTIPHON_WORKERS": str(workers)}
        module = "benchmarks.system.scaling"
        command = [sys.executable, "-m", module, str(workers), str(manifest), folder]
        process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(process.stdout.decode().strip().splitlines()[-1]))


if __name__ == "__main__":  # one measurement, in a process of its own
    count, data_manifest, work = sys.argv[1:]
    print(json.dumps(run_child(int(count), Path(data_manifest), Path(work))))
