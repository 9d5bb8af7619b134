"""Processes of this machine as Linux tells of them: children, CPU seconds, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.common.paths import ROOT

_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.05


class Process(NamedTuple):
    """A process: its number, its parent's, its command line, CPU seconds and peak memory in bytes."""

    pid: int
    parent: int
    command: str
    cpu: float
    peak: int


class Usage(NamedTuple):
    """What a command used: wall seconds, CPU seconds and peak bytes of its driver, CPU seconds of all.

    The driver is the command's own process with those below it that were named to
    :func:`measure_command`; all are those that it has waited for as well.
    """

    seconds: float
    driver_cpu: float
    driver_peak: int
    cpu: float


def read_process(pid: int) -> Process | None:
    """Read what is told of a process; None where there is none."""
    with suppress(OSError, ValueError, IndexError):
        folder = Path("/proc", str(pid))
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        lines = (folder / "status").read_text().splitlines()
        peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
        return Process(pid, int(fields[1]), command, (int(fields[11]) + int(fields[12])) / _TICKS, peak)
    return None


def find_descendants(pid: int, text: str) -> list[Process]:
    """List the processes below another one whose command line holds ``text``."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    known = {process.pid: process for process in map(read_process, numbers) if process is not None}

    def is_below(process: Process | None) -> bool:
        return process is not None and (process.parent == pid or is_below(known.get(process.parent)))

    return [process for process in known.values() if text in process.command and is_below(process)]


def antiphon(*arguments: str) -> list[str]:
    """The command line of ``antiphon`` with these arguments."""
    return [sys.executable, "-m", "flows.cli.main", *arguments]


def own_environment(folder: Path) -> dict[str, str]:
    """The environment of a command with Prefect's database and remembered files in a folder of its own."""
    own = {"PYTHONPATH": str(ROOT), "PREFECT_HOME": f"{folder}/prefect", "ANTIPHON_CACHE": f"{folder}/cache"}
    return {**os.environ, **own}


def measure_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    beside: str = "tasks.engines.ray.driver",
) -> Usage:
    """Run a command to its end, and say what it used.

    Args:
        command: that is run.
        environment: of it.
        folder: where it runs; its output goes to ``output.txt`` in it.
        beside: what is in the command lines of those below it that belong to the driver.

    Raises:
        SystemExit: the command failed.
    """
    with (folder / "output.txt").open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        own = read_process(process.pid)
        children: dict[int, Process] = {}
        looked = 0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            own = max_peak(read_process(process.pid), own)
            if looked % 10 == 0:
                children |= {child.pid: child for child in find_descendants(process.pid, beside)}
            children |= {pid: max_peak(read_process(pid), child) or child for pid, child in children.items()}
            looked += 1
            time.sleep(_POLL_SECONDS)
        seconds = time.perf_counter() - begun
        own = max_peak(read_process(process.pid), own)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or own is None:
        output = (folder / "output.txt").read_text("utf-8", "replace").splitlines()[-20:]
        raise SystemExit("\n".join([f"{' '.join(command)}: exit code {process.returncode}", *output]))
    driver = [own, *children.values()]
    return Usage(
        seconds,
        sum(process.cpu for process in driver),
        sum(process.peak for process in driver),
        usage.ru_utime + usage.ru_stime,
    )


def max_peak(now: Process | None, before: Process | None) -> Process | None:
    """What is told of a process now, with the most that was ever told: of one that ended there is less."""
    if now is None or before is None:
        return now or before
    return now._replace(peak=max(now.peak, before.peak), cpu=max(now.cpu, before.cpu))
