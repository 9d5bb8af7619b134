"""The Prefect server of a run: the one that it is told to use, or one of its own that ends with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect.client.orchestration import get_client
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from components.errors import ConfigError
from flows.settings import server_is_gone

_NEEDED = 50_000_000
"""Bytes for the database of a run's own server, of which a run of ten tasks takes 5 MB."""
_KILL_WITH_PARENT = 'read -r _; kill -9 "$1"'


class GuardedServer(SubprocessASGIServer):
    """Prefect's own server for a run, which ends with the process that started it even after ``kill -9``.

    A shell waits for the end of a pipe whose other end only this process holds, then ends the server.
    (Linux's parent-death signal would do so when the *thread* that started the server ends.)
    """

    _guard: subprocess.Popen[bytes] | None = None

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        process = super()._run_uvicorn_command()
        self._release()
        if os.name == "posix":
            self._guard = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
                ["/bin/sh", "-c", _KILL_WITH_PARENT, "guard of a Prefect server", str(process.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is not for the guard
            )
        return process

    def stop(self) -> None:
        """Stop the server, then its guard."""
        super().stop()
        self._release()

    def kill(self) -> None:
        """End the server and do not wait for it."""
        if self.server_process is not None:
            self.server_process.kill()

    def _release(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None


GuardedServer()  # the one instance that Prefect starts when a flow asks for a server


def check_server() -> None:
    """Find out before a run whether it will have a server. ConfigError."""
    url = PREFECT_API_URL.value()
    if not url:
        _check_home(Path(PREFECT_HOME.value()))
        return
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise ConfigError(
            f"PREFECT_API_URL: expected a Prefect server at {shown_url(url)}, found {_reason(error)}; "
            "start it (prefect server start), or unset PREFECT_API_URL and the run starts one of its own"
        )


def lost_server_message(error: BaseException) -> str | None:
    """What to tell about a run that lost its server on the way; None if ``error`` says something else."""
    if not server_is_gone(error):
        return None
    url = shown_url(PREFECT_API_URL.value() or GuardedServer().api_url)
    return (
        f"Prefect's server at {url} no longer answers ({_reason(error)}); "
        "finished stages and shards are kept: start it and run the same again"
    )


def shown_url(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: BaseException) -> str:
    return ": ".join((type(error).__name__, *str(error).splitlines()[:1]))


def _check_home(home: Path) -> None:
    """A server without a place for its database would be waited for until it counts as dead."""
    ways = "free some space or set PREFECT_HOME to another folder"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"0" * 65536)
            probe.flush()
        free = shutil.disk_usage(home).free
    except OSError as error:
        raise ConfigError(
            "PREFECT_HOME: expected a folder that Prefect can write to, "
            f"found {home}: {error.strerror}; {ways}"
        ) from None
    if free < _NEEDED:
        raise ConfigError(
            f"PREFECT_HOME: expected {_NEEDED // 10**6} MB free for Prefect's database, "
            f"found {free // 10**6} MB in {home}; {ways}"
        )
