"""How long a user waits for what needs no model: whole processes, from the command to its end.

`python -m benchmarks.system.startup` runs the demo once, then measures its unchanged rerun and the commands
that only look, and writes docs/results/startup.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime

from benchmarks.common.paths import RESULTS, ROOT
from benchmarks.common.tables import markdown_table

OUT = RESULTS / "startup.md"
COMMANDS = {
    "run cascade, again": (("run", "cascade", "--data", "sample"), 7.0),
    "--help": (("--help",), 1.5),
    "--version": (("--version",), 1.5),
    "run cascade --help": (("run", "cascade", "--help"), 1.5),
    "run cascade --parameters": (("run", "cascade", "--parameters"), 1.5),
    "run cascade --template": (("run", "cascade", "--template"), 1.5),
    "plan cascade": (("plan", "cascade", "--data", "sample"), 1.5),
    "inspect RUN": (("inspect", "demo"), 1.5),
    "runs": (("runs",), 1.5),
}
"""What is measured: its arguments and the bar of issue 17 in seconds."""


def measure(arguments: tuple[str, ...], folder: str) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    environment = {**os.environ, "ANTIPHON_STORE": f"{folder}/store", "PREFECT_HOME": f"{folder}/prefect"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "flows.cli.main", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure every command and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        measure(("run", "cascade", "--data", "sample", "--name", "demo"), folder)
        for name, (arguments, bar) in COMMANDS.items():
            times = [measure(arguments, folder) for _ in range(options.rounds)]
            wall, cpu = (statistics.median(command) for command in zip(*times, strict=True))
            spread = f"{min(t[0] for t in times):.2f}-{max(t[0] for t in times):.2f}"
            rows.append([name, f"{wall:.2f}", spread, f"{cpu:.2f}", f"{bar:.1f}"])
    page = "\n".join(
        [
            "# How long a command takes that needs no model",
            "",
            f"`python -m benchmarks.system.startup --rounds {options.rounds}`, {datetime.now(UTC):%Y-%m-%d}, "
            f"{os.cpu_count()} cores, {platform.machine()}. Whole processes, `antiphon` and its own Prefect "
            "server where it starts one, over a store in which the demo has run; median of the rounds.",
            "",
            markdown_table(["antiphon", "wall s", "least-most", "CPU s", "bar s"], rows),
            "",
        ]
    )
    OUT.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
