"""Servers as processes of their own: started, awaited, ended; their CPU seconds and memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.common.paths import ROOT
from benchmarks.common.processes import antiphon, read_process

_START_SECONDS = 600.0


class Running(NamedTuple):
    """A server: its address and process."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def cpu(self) -> float:
        """CPU seconds of it so far."""
        process = read_process(self.process.pid)
        return 0.0 if process is None else process.cpu

    @property
    def resident(self) -> int:
        """Bytes of memory that it has now."""
        fields = Path("/proc", str(self.process.pid), "statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def environment_of(folder: Path, threads: int) -> dict[str, str]:
    """The environment of a command whose store is in ``folder``, with so many threads of torch."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "ANTIPHON_STORE": f"{folder}/store"}
    return {**os.environ, **own}


@contextmanager
def serve(
    command: Sequence[str], folder: Path, port: int, threads: int, health: str = "/health", **variables: str
) -> Iterator[Running]:
    """Start a server; it is ended by SIGTERM, unless it was killed."""
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**environment_of(folder, threads), **variables},
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        server = Running(f"http://127.0.0.1:{port}", port, process, log)
        try:
            _wait(server, health)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait(server: Running, health: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if httpx.get(f"{server.url}{health}", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit(f"no server: {server.log.read_text(encoding='utf-8')[-2000:]}")


def own_server(graph: Path, port: int, *arguments: str) -> list[str]:
    """The command of Antiphon's server."""
    return [*antiphon("serve", str(graph), "--port", str(port)), *arguments]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
