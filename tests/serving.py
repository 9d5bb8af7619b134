"""A Prefect server on 127.0.0.1 for the tests of flows: one for the whole session, gone afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.server import server_process, settings

ROOT = Path(__file__).parents[1]
_IDLE = ("LATE_RUNS", "PAUSE_EXPIRATIONS", "FOREMAN", "CLEANUP_RECONCILER", "SCHEDULER")
"""Services that ask the database every five seconds for what no test has."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Start a server with its database in ``home``; gives the URL of its API.

    It is the one that a run starts for itself, with pages and automations, which collects garbage seldom.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, **settings.DEFAULTS, "PREFECT_HOME": str(home), "PREFECT_UI_API_URL": url}
    environment.pop("PREFECT_API_URL", None)
    environment |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in _IDLE}
    log = (home / "server.log").open("wb")
    command = [*server_process.COMMAND, "port", str(port)]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT
    )
    try:
        server_process.serve(process)
        wait_for(process, url, home / "server.log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return once a server answers that it is well."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"no server within two minutes: {log.read_text()[-3000:]}")
