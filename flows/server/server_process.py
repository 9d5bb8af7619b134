"""A Prefect server in its own process, which imports at once and serves on request.

Importing it takes three seconds of CPU, so the command starts it before it knows whether it needs one; this
module imports no Prefect.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from components.compute.process_guard import ProcessGuard
from components.errors import TransientError
from flows.server import settings  # noqa: F401 - its settings are the server's too

EPHEMERAL_ENVIRONMENT = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
"""What Prefect sets for a server that serves one process; and no automations, which outlast none."""
COMMAND = [sys.executable, "-P", str(Path(__file__).with_name("app.py"))]


class ServerProcess:
    """A server that ends with this process, even after ``kill -9``; connections wait until it is up."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the server lives
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
                [*COMMAND, "fd", str(listener.fileno())],
                env=os.environ | EPHEMERAL_ENVIRONMENT,
                stdin=subprocess.PIPE,
                stderr=self._log,  # shown where it does not start; at its end it may complain of being ended
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is not for the server: it is told of it
            )
        self._guard = ProcessGuard(self._process.pid)
        atexit.register(self.stop)  # after what Prefect registers when a flow runs, and sends at its end

    def serve(self) -> None:
        """Make it open its database and answer."""
        serve(self._process)

    def wait(self, seconds: float) -> None:
        """Wait until it answers.

        Raises:
            TransientError: it does not, within ``seconds``.
        """
        import httpx

        try:
            httpx.get(f"{self.url}/health", timeout=seconds, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            self._log.seek(0)
            sys.stderr.write(self._log.read().decode(errors="replace"))
            raise TransientError(
                f"expected Prefect's temporary server to start, found {reason_of(error)}; its output is "
                "above: run the same again, or start one (prefect server start) and set PREFECT_API_URL"
            ) from None

    def stop(self) -> None:
        """Terminate it; it has five seconds to write its database."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._guard.release()


def serve(process: subprocess.Popen[bytes]) -> None:
    """Make a server that waits for it serve; one that has died is noticed by who waits for it."""
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(b"serve\n")


def reason_of(error: BaseException) -> str:
    """Return the sort of an error and the first line of what it says."""
    return ": ".join((type(error).__name__, *str(error).splitlines()[:1]))


def start_importing() -> ServerProcess | None:
    """Start importing a server; None where PREFECT_API_URL names one, or the system is not POSIX."""
    return ServerProcess() if os.name == "posix" and not os.environ.get("PREFECT_API_URL") else None
