"""Ray's driver as a run sees it: a process that is started with the first job, and ends with the run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from components import errors
from components.errors import AntiphonError, ConfigError
from tasks.engines.ray.messages import Event, Job, Message

_END_SECONDS = 10.0
"""Seconds that the driver has to end a cluster that it has started."""
_LOST_SECONDS = 20
"""Seconds after which Ray takes a cluster that does not answer for lost."""
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves the machine
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(_LOST_SECONDS),
}
"""What Ray reads from its environment; the user's own settings win."""
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Where a user may say the token of a cluster; Ray's own is in a file."""

_log = logging.getLogger("antiphon.tasks")


class WorkerFaultError(RuntimeError):
    """A fault of a worker that no user made: the text of its traceback."""


class DriverProcess:
    """Runs jobs on Ray: on the cluster of ``RAY_ADDRESS``, else on one that it starts on this machine.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self) -> None:
        if find_spec("ray") is None or find_spec("ray.data") is None:
            raise ConfigError(
                "engine ray: expected the packages of the extra ray, found none; pip install 'antiphon[ray]'"
            )
        self._numbers = count()
        self._receivers: dict[int, Callable[[Event], None]] = {}
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._output: IO[bytes] | None = None
        self._lost: Event | None = None
        self._is_connected = False

    @property
    def is_started(self) -> bool:
        """Whether there is such a process, and so workers."""
        return self._process is not None

    def run(self, make: Callable[[int], Job], receive: Callable[[Event], None]) -> None:
        """Begin a job.

        Args:
            make: makes it, given its number.
            receive: called with what happens in it, from another thread.
        """
        with self._lock:
            number = next(self._numbers)
            self._receivers[number] = receive
            if self._process is None:
                self._start()
            lost = self._lost
            if lost is None:
                self._jobs[number] = make(number)
                self._send(("run", self._jobs[number]))
        if lost is not None:
            receive(lost)

    def halt(self) -> None:
        """Let workers begin nothing new."""
        with self._lock:
            self._send(("halt", None))

    def close(self, *, at_once: bool = False) -> None:
        """End the driver, and a cluster that it has started."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            self._send(("close", None))
            self._receivers.clear()
        if not at_once:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        process.kill()
        process.wait()
        if self._connection is not None:
            self._connection.close()

    def _start(self) -> None:
        here, there = Pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        self._process = subprocess.Popen(  # noqa: S603 - a module of ours
            [sys.executable, "-m", "tasks.engines.ray.driver", str(there.fileno())],
            env=_make_environment(),
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the run, which says what becomes of its workers
        )
        there.close()
        self._connection = here
        threading.Thread(target=self._receive, args=(here, self._process), daemon=True).start()

    def _send(self, message: Message) -> None:
        if self._connection is not None:
            with suppress(OSError):  # it has died, which the thread that listens to it tells
                self._connection.send(message)

    def _receive(self, connection: Connection, process: subprocess.Popen[bytes]) -> None:
        """Give what the driver tells to whom it concerns, until the driver ends."""
        with suppress(EOFError, OSError):
            while True:
                event: Event = connection.recv()
                if event.sort == "connected":
                    self._is_connected = True
                if event.sort == "restart":
                    self._restart(process)
                    return
                if event.sort == "lost":
                    self._lose(event)
                    return
                if event.sort == "ended" or (event.sort == "failed" and not event.node):
                    self._jobs.pop(event.job, None)
                receive = self._receivers.get(event.job)
                if receive is not None:
                    receive(event)
        if self._process is process:
            self._lose(Event(-1, "lost", error="TransientError", message=self._describe_end(process)))

    def _restart(self, process: subprocess.Popen[bytes]) -> None:
        """Let another driver do what the present one has not ended."""
        process.wait()
        with self._lock:
            if self._process is process:
                _log.warning("a machine of the Ray cluster was lost; going on with those that are left")
                self._start()
                for job in self._jobs.values():
                    self._send(("run", job))

    def _lose(self, event: Event) -> None:
        with self._lock:
            self._lost = event
            receivers = list(self._receivers.values())
        for receive in receivers:
            receive(event)

    def _describe_end(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        output = self._read_output()
        address = os.environ.get("RAY_ADDRESS") or "this machine"
        if not self._is_connected:
            return (
                f"ray: expected a cluster at {address}, found none that answers: start it, set RAY_ADDRESS "
                "to the address of its head on a machine of the cluster, and RAY_AUTH_MODE as it has it"
            )
        if "Failed to connect to GCS" in output or "raylet" in output:
            return (
                f"ray: expected the cluster at {address} to stay while the run is at work, found it gone; "
                "finished shards are kept: start the cluster and run this again to go on"
            )
        last = output.strip().splitlines()[-1:] or [f"exit code {code}"]
        return (
            f"ray: expected its driver to stay while the run is at work, found that it ended ({last[0]}); "
            "finished shards are kept: run this again to go on"
        )

    def _read_output(self) -> str:
        if self._output is None:
            return ""
        self._output.seek(0)
        return self._output.read()[-20_000:].decode("utf-8", "replace")


def _make_environment() -> dict[str, str]:
    environment = {**_ENVIRONMENT, **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    if not os.environ.get("RAY_ADDRESS"):
        # On 127.0.0.1, not on all interfaces. Ray reads this when it is imported; asked for that address
        # (_node_ip_address) it takes the machine's instead.
        environment.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    elif (Path.home() / ".ray" / "auth_token").exists() or any(map(os.environ.get, _TOKENS)):
        environment.setdefault("RAY_AUTH_MODE", "token")
    return environment


def error_of(event: Event) -> Exception:
    """Return the error that an event tells."""
    known = getattr(errors, event.error, None)
    if not event.error:
        return WorkerFaultError(event.message)
    if isinstance(known, type) and issubclass(known, AntiphonError) and known is not errors.RecordError:
        return known(event.message)
    return AntiphonError(event.message)
