"""Peak memory of a graph of six nodes at two sizes of data: it must not grow with the number of utterances.

six_nodes.yaml runs on 200 and 2,000 utterances, each in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.repeat_manifest import write_manifest
from benchmarks.common.sections import Result, section_parser

PAGE = "memory"
GRAPH = "benchmarks/system/six_nodes.yaml"
COMMAND = ("-m", "flows.cli.main", "run", GRAPH, "--json", "--target-language", "de")


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.system memory", __doc__)
    section.add_argument("--sizes", type=int, nargs="+", default=[200, 2000])
    section.add_argument("--longest", type=float, default=15.0, help="seconds of the longest recording used")
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Peak and seconds at each size."""
    rows = []
    for size in options.sizes:
        peak, seconds = measure_run(size, options.longest)
        rows.append({"utterances": size, "peak_mb": peak, "seconds": seconds})
    yield Result("peaks", {"graph": GRAPH, "rows": rows})


def measure_run(count: int, longest: float) -> tuple[float, float]:
    """Peak resident memory (MB) and seconds of one run over ``count`` utterances."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "manifest.jsonl", count, longest)
        command = [sys.executable, *COMMAND, "--data", str(manifest), "--store", f"{folder}/store"]
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect"}
        process = os.posix_spawn(command[0], command, environment)
        _, status, usage = os.wait4(process, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"the run over {count} utterances failed")
        seconds = sum(
            stage["seconds"]
            for path in Path(folder, "store", "runs").glob("*/run.json")
            for stage in json.loads(path.read_bytes())["stages"]
        )
    scale = 1024 if sys.platform != "darwin" else 1
    return usage.ru_maxrss * scale / 1e6, seconds
