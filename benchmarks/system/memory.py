"""Peak memory of a graph of six nodes at two sizes of data: it must not grow with the number of utterances.

`python -m benchmarks.system.memory` runs six_nodes.yaml on 200 and 2,000 utterances, each in a fresh process,
and writes docs/results/memory.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common.paths import RESULTS
from benchmarks.common.repeat_manifest import write_manifest

OUT = RESULTS / "memory.md"
GRAPH = "benchmarks/system/six_nodes.yaml"
COMMAND = ("-m", "flows.cli.main", "run", GRAPH, "--json", "--target-language", "de")


def measure(count: int, longest: float) -> tuple[float, float]:
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


def main() -> None:
    """Measure at each size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--longest", type=float, default=15.0, help="seconds of the longest recording used")
    options = parser.parse_args()
    lines = [
        "# Peak memory of a run",
        "",
        f"`python -m benchmarks.system.memory --sizes {' '.join(map(str, options.sizes))}`, "
        f"{datetime.now(UTC):%Y-%m-%d}: `antiphon run {GRAPH}` on the sample set repeated; "
        "peak resident memory of the whole process, Prefect server and report included.",
        "",
        "| utterances | peak memory, MB | stages, seconds |",
        "| ---: | ---: | ---: |",
    ]
    for size in options.sizes:
        peak, seconds = measure(size, options.longest)
        lines.append(f"| {size} | {peak:,.0f} | {seconds:.0f} |")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
