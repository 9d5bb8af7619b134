"""Do nodes run side by side: graphs of programs that sleep, against one of these programs alone.

`python -m benchmarks.system.concurrent_nodes` runs each graph in turn, in rounds, over a fresh store, and
writes docs/results/following.md. Two programs in a row follow each other shard by shard; three that read the
same run at once. The bars of issue 17: at most 1.15 of one program each.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.common.paths import RESULTS
from flows.server import settings  # noqa: F401 - before Prefect is imported

from prefect import flow  # isort: skip

from benchmarks.common.tables import markdown_table
from components.nodes import code_permission
from components.pipeline.pipeline import DATA
from components.pipeline.reader import read_pipeline
from components.records import Utterance
from components.storage.stage_plan import StagePlan
from components.storage.stage_writer import open_stage
from components.storage.store import Store
from tasks.execution.executor import execute

OUT = RESULTS / "following.md"
ITEMS, SHARDS = 640, 20
BAR = 1.15


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
        "one program": {"a": sleeping_node(DATA, seconds, "a")},
        "two in a row": {"a": sleeping_node(DATA, seconds, "a"), "b": sleeping_node("a", seconds, "b")},
        "three side by side": {name: sleeping_node(DATA, seconds, name) for name in "abc"},
    }


@flow(name="following", persist_result=False)
def time_run(nodes: dict[str, Any], store: str) -> float:
    """Seconds of a graph over 640 texts in an empty store."""
    ids = [f"u{n}" for n in range(ITEMS)]
    lines = [Utterance(id=key, text=key, source_language="en").model_dump_json() for key in ids]
    with open_stage(Store(store), StagePlan(stage="data", version="1")) as writer:
        writer.append(lines, [], seconds=0, peak=0)
        data = writer.finish(ids, content="c" * 64)
    pipeline = read_pipeline({"nodes": nodes})
    begun = time.perf_counter()
    executed = execute(pipeline, {DATA: data}, store, 0)
    seconds = time.perf_counter() - begun
    executed.raise_first_error()
    return seconds


def main() -> None:
    """Run every graph in every round and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="that a program sleeps per shard")
    options = parser.parse_args()
    results: dict[str, list[float]] = {}
    code_permission.allow_own_code()
    for _ in range(options.rounds):
        for name, nodes in make_graphs(options.seconds).items():
            with tempfile.TemporaryDirectory() as store:
                results.setdefault(name, []).append(time_run(nodes, store))
    base = results["one program"]
    rows = []
    for name, seconds in results.items():
        ratios = [ratio / alone for ratio, alone in zip(seconds, base, strict=True)]
        rows.append([name, ", ".join(f"{s:.1f}" for s in seconds), f"{statistics.median(ratios):.3f}"])
    page = "\n".join(
        [
            "# Nodes follow each other",
            "",
            "`python -m benchmarks.system.concurrent_nodes "
            f"--rounds {options.rounds} --seconds {options.seconds}`, "
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}. Graphs of programs "
            f"that sleep {options.seconds} s for each of {SHARDS} shards, each graph over an empty store, "
            "in turn; with Prefect's task for every node and shard. Median ratio to one program of the same "
            f"round (bar: at most {BAR}).",
            "",
            markdown_table(["graph", "seconds by round", "ratio"], rows),
            "",
        ]
    )
    OUT.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
