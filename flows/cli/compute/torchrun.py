"""The command under torchrun: process 0 is the run, the others compute their share of its trainings.

``torchrun --nproc-per-node N --no-python antiphon run ...`` starts N processes with the same arguments.
Process 0 alone has the flow, the store and the report; the others wait for trainings until it leaves.
``antiphon run --processes N`` starts torchrun itself and ends with the exit code of process 0, which torchrun
would replace by 1.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.extensions import Extensions, accept_any
from flows.cli.compute.launchers import STARTED_BY

GROUPS: Extensions[Any] = Extensions("antiphon.process_groups", "process group", accept_any)
"""Modules by which processes join (``join``), compute their share (``follow``) and part (``leave``)."""


EXIT_CODE_FILE = "ANTIPHON_EXIT_CODE_FILE"
"""Variable with the file in which process 0 leaves its exit code to the command that started torchrun."""


def run_over_processes(count: int, arguments: Sequence[str]) -> int:
    """Run an `antiphon` command in several processes of this machine.

    Args:
        count: how many.
        arguments: of the command.

    Returns:
        The exit code of process 0; 1 where there is none, as another process ended first.
    """
    with TemporaryDirectory() as folder:
        file, received = Path(folder) / "code", list[int]()
        launch = [sys.executable, "-P", "-m", "torch.distributed.run", "--standalone"]
        launch += ["--nproc-per-node", str(count), "--no-python"]
        own = [sys.executable, "-P", "-m", "flows.cli.main", *arguments]
        process = subprocess.Popen([*launch, *own], env={**os.environ, EXIT_CODE_FILE: str(file)})  # noqa: S603

        def pass_on(number: int, frame: object) -> None:
            received.append(number)
            if number == signal.SIGTERM:  # Ctrl-C reaches all that a terminal has started
                process.terminate()

        handlers = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            process.wait()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if file.is_file():
            return int(file.read_text())
        return 128 + received[-1] if received else 1


def hand_over(code: int) -> int:
    """Leave the exit code of process 0 to :func:`run_over_processes`; to torchrun any but 0 is a crash."""
    file = os.environ.get(EXIT_CODE_FILE)
    if file is None or os.environ.get("RANK") != "0":
        return code
    Path(file).write_text(str(code))
    return 0


def lead_or_follow(run: Callable[[], object]) -> object:
    """Join the processes; in process 0 run, in the others compute what it trains.

    Raises:
        AntiphonError: what the run raises, or why this process cannot join in a training.
    """
    group = GROUPS.only()
    try:
        processes = group.join()
        del os.environ[STARTED_BY]  # a command that this one starts is none of them
        if processes.is_main:
            return run()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # process 0 is interrupted, leaves, and so ends this one
        group.follow()
        return 0
    finally:
        group.leave()
