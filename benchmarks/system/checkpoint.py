"""What a SIGKILL in the middle costs: Antiphon beside Ray Data's and NeMo Curator's own checkpoints.

A chain of three nodes over pieces of data, of which the last node takes most of the time; the driver is
killed when half of all calls were made, and the same command is typed again. A log that the nodes append to
says what was computed again. Curator needs an environment of its own: ``--curator`` names its Python.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common.paths import ROOT
from benchmarks.common.processes import antiphon, own_environment
from benchmarks.common.sections import Result, option
from benchmarks.pages.growing import ANTIPHON, CURATOR, RAY_DATA
from benchmarks.system.killing import (
    CALLS,
    NODES,
    ROWS_A_SHARD,
    count_begun,
    count_calls,
    read_outcomes,
    wait_until,
    write_graph,
)
from benchmarks.system.serving_programs.servers import free_port

PAGE = "checkpoint"
PROGRAMS = ROOT / "benchmarks" / "system" / "checkpoint_programs"
_LIMIT = 300.0
"""Seconds that a command has until it is killed, and to its end when it is started again."""
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
OPTIONS = {
    "pieces": option(60),
    "seconds": option([0.2, 0.2, 0.8], "of a piece, by node", nargs=3),
    "curator": option(str, "Python of an environment with nemo-curator"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What each computed before and after the kill."""
    pieces, seconds = str(options.pieces), [str(second) for second in options.seconds]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_graph(folder / "antiphon", options.pieces, options.seconds)
        command = antiphon("run", "graph.yaml", "--data", "texts.jsonl", "--store", "store", "--name", "run")
        environment = own_environment(folder / "antiphon") | {"ANTIPHON_ENGINE": "ray"}
        half = 3 * options.pieces // 2
        kill_and_resume([*command, "--replace"], environment, folder / "antiphon", half * ROWS_A_SHARD)
        shard_of = read_outcomes(folder / "antiphon" / "store", "run").shard_of
        yield Result(ANTIPHON, describe(options, folder / "antiphon", shard_of))
        (folder / "ray").mkdir()
        command = [sys.executable, str(PROGRAMS / "ray_data.py"), pieces, *seconds]
        kill_and_resume(command, os.environ | _RAY, folder / "ray", half)
        yield Result(RAY_DATA, describe(options, folder / "ray"))
        if options.curator:
            (folder / "curator").mkdir()
            with start_cluster(options.curator) as environment:
                command = [options.curator, str(PROGRAMS / "curator.py"), pieces, *seconds]
                kill_and_resume(command, environment, folder / "curator", half)
            yield Result(CURATOR, describe(options, folder / "curator"))


def kill_and_resume(command: Sequence[str], environment: Mapping[str, str], folder: Path, calls: int) -> None:
    """Start a command, kill it after so many calls, start it again; the log as it was is in ``killed/``.

    Raises:
        SystemExit: it ended before it was killed, or failed when it was started again.
    """
    with (folder / "output.txt").open("ab") as output:
        options: Any = {"cwd": folder, "env": dict(environment), "stdout": output, "stderr": output}
        process = subprocess.Popen(command, **options)
        is_begun = wait_until(lambda: count_calls(folder) >= calls, process, seconds=_LIMIT)
        process.kill()
        process.wait()
        (folder / "killed").mkdir()
        shutil.copy(folder / CALLS, folder / "killed")
        code = subprocess.run(command, check=False, timeout=_LIMIT, **options).returncode
    if code or not is_begun:
        output = (folder / "output.txt").read_text("utf-8", "replace")
        raise SystemExit(f"{' '.join(command)}: exit code {code}, killed in the middle: {is_begun}\n{output}")


def describe(
    options: argparse.Namespace, folder: Path, piece_of: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """What was done before the kill, and what was begun again after it, by node."""
    before, after = (count_begun(where, piece_of) for where in (folder / "killed", folder))
    done = {node: sum(name == node for name, _ in before) for node in NODES}
    again = {node: sum(n - 1 for (name, _), n in after.items() if name == node) for node in NODES}
    pieces = len({piece for _, piece in after})
    return {"pieces": pieces, "seconds": list(options.seconds), "begun": done, "again": again}


@contextmanager
def start_cluster(python: str) -> Iterator[dict[str, str]]:
    """Start with a Python a Ray cluster of eight CPUs that outlives its drivers; the environment of these."""
    port = free_port()
    options = f"--head --block --num-cpus=8 --include-dashboard=false --object-store-memory={2**28}".split()
    command = [python, "-c", "from ray.scripts.scripts import main; main()", "start", *options]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}"]
    environment = os.environ | _RAY | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex()}
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen(command, env=environment, **quiet)
    try:
        yield environment | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
