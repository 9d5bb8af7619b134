"""What the driver of a run does by itself: CPU time, memory, and how many records it parses.

A graph of one ``python`` node over synthetic texts with references is run twice, each time in a process of
its own: as new, and with everything stored. Records that are parsed to compute a shard are a worker's; all
others are the driver's, which should parse none but those that it shows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.common.paths import ROOT
from benchmarks.common.sections import Result, option

PAGE = "driver"
GRAPH = """\
data: {data}
source_language: en
target_language: de
nodes:
  mt: {{kind: python, file: steps.py, function: translate, of: data, to: target}}
outputs: {{translation: mt}}
"""
STEPS = """\
import zlib

def translate(record):
    words = record["text"].split()
    return " ".join(word for n, word in enumerate(words) if zlib.crc32(f"{record['id']} {n}".encode()) % 5)
"""
WORKERS = ("tasks.engines.local.compute_shard", "components.analysis.measuring.worker.measure_shard")
"""What computes shards, here or in another process."""
WORDS = "der die das ein eine Hund Katze Mann Frau läuft sitzt über den Schnee im Park und lacht"
OPTIONS = {"rows": option(10_000)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """CPU seconds, parses and memory of the driver, of a new run and of the same once more."""
    with tempfile.TemporaryDirectory() as folder:
        graph = write_graph(Path(folder), options.rows)
        runs = {name: run_child(graph) for name in ("a new run", "the same once more")}
    yield Result("runs", {"rows": options.rows, "runs": runs})


def write_graph(folder: Path, rows: int) -> Path:
    """Write a data set of synthetic texts with references, and a graph over it; the graph's file."""
    draw = random.Random(7)
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = " ".join(draw.choices(WORDS.split(), k=draw.randint(4, 20)))
            row = {"id": f"row-{number:07}", "text": text, "references": {"de": text}}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "steps.py").write_text(STEPS, encoding="utf-8")
    graph = folder / "graph.yaml"
    graph.write_text(GRAPH.format(data=folder / "texts.jsonl"), encoding="utf-8")
    return graph


def run_child(graph: Path) -> dict[str, Any]:
    """Run the graph in a process of its own; what that measured of itself."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(graph.parent / "prefect"),
        "ANTIPHON_CACHE": str(graph.parent / "cache"),
    }
    command = [sys.executable, "-m", __name__, str(graph)]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


@contextmanager
def count_parses() -> Iterator[Counter[str]]:
    """Count the records of data sets and nodes that this process parses, but for a worker's."""
    from pydantic import BaseModel

    counts: Counter[str] = Counter()
    at_work: set[int] = set()
    parse = BaseModel.model_validate_json.__func__  # type: ignore[attr-defined]

    def counting(cls: type[BaseModel], *args: Any, **options: Any) -> Any:
        worker = "worker: " if threading.get_ident() in at_work else ""
        counts[f"{worker}{cls.__name__}"] += 1
        return parse(cls, *args, **options)

    def working(compute: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any, **options: Any) -> Any:
            at_work.add(threading.get_ident())
            try:
                return compute(*args, **options)
            finally:
                at_work.discard(threading.get_ident())

        return work

    with ExitStack() as patches:
        patches.enter_context(patch.object(BaseModel, "model_validate_json", classmethod(counting)))
        for name in WORKERS:
            module, _, function = name.rpartition(".")
            compute = getattr(import_module(module), function)
            patches.enter_context(patch(name, working(compute)))
        yield counts


def main(graph: Path) -> None:
    """Run the graph here, and print what that took."""
    from flows.cli.main import main as antiphon

    start, cpu = time.perf_counter(), time.process_time()
    with count_parses() as counts:
        sys.argv = ["antiphon", "run", str(graph), "--store", str(graph.parent / "store")]
        try:
            antiphon()
        except SystemExit as ended:
            if ended.code:
                raise
    values = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "parses": dict(counts),
    }
    print(json.dumps(values))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
