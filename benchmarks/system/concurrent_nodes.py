"""Do nodes run side by side: graphs of programs that sleep, against one of these programs alone.

Each graph runs in turn, in rounds, over a fresh store. Two programs in a row follow each other shard by
shard; three that read the same run at once. The bars of issue 17: at most 1.15 of one program each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.server import settings  # noqa: F401 - before Prefect is imported

from prefect import flow  # isort: skip

from benchmarks.common.sections import Result, section_parser
from benchmarks.pages.running import ONE, ROW, SIDE
from components.data.stage import store_data
from components.own_code import code_permission
from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.storage.store import Store
from tasks.execution.executor import execute

PAGE = "following"
ITEMS, SHARDS = 640, 20


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.system following", __doc__)
    section.add_argument("--rounds", type=int, default=3)
    section.add_argument("--seconds", type=float, default=0.5, help="that a program sleeps per shard")
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Seconds of every graph in every round, and the median of their ratios to one program."""
    seconds: dict[str, list[float]] = {}
    code_permission.allow_own_code()
    for _ in range(options.rounds):
        for name, nodes in make_graphs(options.seconds).items():
            with tempfile.TemporaryDirectory() as store:
                seconds.setdefault(name, []).append(time_run(nodes, store))
    graphs = {
        name: {
            "seconds": own,
            "ratio": statistics.median(a / b for a, b in zip(own, seconds[ONE], strict=True)),
        }
        for name, own in seconds.items()
    }
    yield Result("seconds", {"sleep": options.seconds, "shards": SHARDS, "graphs": graphs})


def sleeping_node(of: str, seconds: float, mark: str) -> dict[str, Any]:
    """A program that sleeps once per shard, then gives every line back; ``mark`` keeps keys apart."""
    return {
        "kind": "command",
        "of": of,
        "run": ["sh", "-c", f"sleep {seconds}; sed s/$/{mark}/"],
        "format": "text",
    }


def make_graphs(seconds: float) -> dict[str, dict[str, Any]]:
    """The graphs by what they are called in the table."""
    return {
        ONE: {"a": sleeping_node(DATA, seconds, "a")},
        ROW: {"a": sleeping_node(DATA, seconds, "a"), "b": sleeping_node("a", seconds, "b")},
        SIDE: {name: sleeping_node(DATA, seconds, name) for name in "abc"},
    }


@flow(name="following", persist_result=False)
def time_run(nodes: dict[str, Any], store: str) -> float:
    """Seconds of a graph over 640 texts in an empty store."""
    rows = [{"id": f"u{n}", "text": "a dog " * 104, "source_language": "en"} for n in range(ITEMS)]
    manifest = Path(f"{store}.jsonl")
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = store_data(str(manifest), None, (None, None), None, Store(store))
    pipeline = read_pipeline({"nodes": nodes})
    begun = time.perf_counter()
    executed = execute(pipeline, {DATA: data}, store, 0)
    seconds = time.perf_counter() - begun
    executed.raise_first_error()
    return seconds
