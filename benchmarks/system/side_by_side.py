"""Do nodes run side by side: graphs of functions that sleep, against one of these functions alone.

Each graph runs in turn, in rounds, over a fresh store, on both engines. Two nodes in a row follow each other
shard by shard; three that read the same run at once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.server import settings  # noqa: F401 - before Prefect is imported

from prefect import flow  # isort: skip

from benchmarks.common.sections import Result, option
from benchmarks.common.synthetic_texts import lengthen_texts, make_texts, write_rows
from benchmarks.pages.growing import ONE, ROW, SIDE
from components.data.cutting import CHARACTERS
from components.data.stage import store_data
from components.own_code import code_permission
from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.storage.store import Store
from tasks.engines.engine import ENGINES, LOCAL, use_engine
from tasks.execution.executor import execute

PAGE = "side-by-side"
_ROWS_A_SHARD = 4
STEPS = """\
import time

def sleep(records, seconds, mark):
    time.sleep(seconds)
    return [record["text"] + mark for record in records]
"""
OPTIONS = {
    "rounds": option(3),
    "seconds": option(0.5, "that a function sleeps per shard"),
    "shards": option(40),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Seconds of every graph in every round, and the median of their ratios to one function, by engine."""
    code_permission.allow_own_code()
    for engine in (LOCAL, *ENGINES):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            (work / "steps.py").write_text(STEPS, encoding="utf-8")
            rows = make_texts(_ROWS_A_SHARD * options.shards)
            write_rows(work / "texts.jsonl", lengthen_texts(rows, CHARACTERS // _ROWS_A_SHARD))
            seconds = run_rounds(work, engine, options)
        graphs = {
            name: {
                "seconds": own,
                "ratio": statistics.median(a / b for a, b in zip(own, seconds[ONE], strict=True)),
            }
            for name, own in seconds.items()
        }
        yield Result(engine, {"sleep": options.seconds, "shards": options.shards, "graphs": graphs})


def sleeping_node(folder: Path, of: str, seconds: float, mark: str) -> dict[str, Any]:
    """A function that sleeps once per shard, then gives every text back; ``mark`` keeps keys apart."""
    arguments = {"seconds": seconds, "mark": mark}
    file = str(folder / "steps.py")
    return {
        **{"kind": "python", "of": of, "file": file, "function": "sleep", "batch": True},
        **{"arguments": arguments, "resources": {"cpus": 0.2, "replicas": 1}},
    }


def make_graphs(folder: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """The graphs by what they are called in the table."""
    first = sleeping_node(folder, DATA, seconds, "a")
    return {
        ONE: {"a": first},
        ROW: {"a": first, "b": sleeping_node(folder, "a", seconds, "b")},
        SIDE: {name: sleeping_node(folder, DATA, seconds, name) for name in "abc"},
    }


@flow(name="side-by-side", persist_result=False)
def run_rounds(folder: Path, engine: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each graph in every round, each in an empty store; Ray is started before."""
    seconds: dict[str, list[float]] = {}
    with use_engine(engine):
        for number in range(-1, options.rounds):
            graphs = make_graphs(folder, options.seconds if number >= 0 else 0.0)
            for name, nodes in graphs.items():
                spent = time_run(nodes, folder, folder / f"{number} {name}")
                if number >= 0:
                    seconds.setdefault(name, []).append(spent)
                elif name == ONE:
                    break
    return seconds


def time_run(nodes: dict[str, Any], folder: Path, store: Path) -> float:
    """Seconds of a graph over the texts in an empty store."""
    data = store_data(str(folder / "texts.jsonl"), None, (None, None), None, Store(str(store)))
    pipeline = read_pipeline({"nodes": nodes})
    begun = time.perf_counter()
    executed = execute(pipeline, {DATA: data}, str(store), 0)
    seconds = time.perf_counter() - begun
    executed.raise_first_error()
    return seconds
