"""How long a user waits for what needs no model: whole processes, from the command to its end.

The demo runs once; then its unchanged rerun and the commands that only look are measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks.common.paths import ROOT
from benchmarks.common.sections import Result, option

PAGE = "startup"
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
OPTIONS = {"rounds": option(5)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Wall and CPU seconds of every command."""
    commands = {}
    with tempfile.TemporaryDirectory() as folder:
        time_process(("run", "cascade", "--data", "sample", "--name", "demo"), folder)
        for name, (arguments, bar) in COMMANDS.items():
            times = [time_process(arguments, folder) for _ in range(options.rounds)]
            walls, cpus = zip(*times, strict=True)
            commands[name] = {
                **{"wall": statistics.median(walls), "least": min(walls), "most": max(walls)},
                **{"cpu": statistics.median(cpus), "bar": bar, "rounds": times},
            }
    yield Result("seconds", {"rounds": options.rounds, "commands": commands})


def time_process(arguments: tuple[str, ...], folder: str) -> tuple[float, float]:
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
