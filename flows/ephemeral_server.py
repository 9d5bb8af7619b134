"""The Prefect server of a run: the one that it is told to use, or one of its own that ends with it.

The command starts its own before it imports what it runs, since that takes a server three seconds, and tells
Prefect its URL. A flow that is called from Python gets Prefect's temporary server (guarded_server.py).
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, get_current_settings

from components.errors import ConfigError, TransientError
from flows.guard import guard
from flows.settings import server_is_gone

_NEEDED = 50_000_000
"""Bytes for the database of a run's own server, of which a run of ten tasks takes 5 MB."""
_PART = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
"""What Prefect sets for a server that serves one process."""
_UVICORN = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
_UVICORN += ["--log-level", "error", "--lifespan", "on", "--app-dir"]
_own: OwnServer | None = None


class OwnServer:
    """A server in a process of its own. Whoever connects before it is up waits for it."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            self._process = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
                [*_UVICORN, str(prefect.__module_path__.parent), "--fd", str(listening.fileno())],
                env=os.environ | _PART,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C is not for the server: it is told of it
            )
        self._guard = guard(self._process.pid)
        atexit.register(self.stop)  # after what Prefect registers when a flow runs, and sends at its end

    def wait(self, seconds: float) -> None:
        """Wait until it answers. TransientError."""
        try:
            httpx.get(f"{self.url}/health", timeout=seconds, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise TransientError(
                f"expected Prefect's temporary server to start, found {_reason(error)}; what it said is "
                "above: run the same again, or start one (prefect server start) and set PREFECT_API_URL"
            ) from None

    def stop(self) -> None:
        """Let it write what it has, and end it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._guard.kill()
        self._guard.communicate()


def start_server() -> None:
    """Begin to start a server for this process, unless it is told to use another one. ConfigError."""
    global _own  # noqa: PLW0603 - a process has one
    if PREFECT_API_URL.value() or not get_current_settings().server.ephemeral.enabled or os.name != "posix":
        return
    _check_home(Path(PREFECT_HOME.value()))
    _own = OwnServer()
    os.environ |= {"PREFECT_API_URL": _own.url, "PREFECT_UI_URL": ""}  # there is no page to link to
    refresh_global_settings_context()


def check_server() -> None:
    """Find out before a run whether it will have a server. ConfigError, TransientError."""
    url = PREFECT_API_URL.value()
    if _own is not None and url == _own.url:
        _own.wait(get_current_settings().server.ephemeral.startup_timeout_seconds)
        return
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


def is_own() -> bool:
    """Whether the server ends with this process."""
    url = PREFECT_API_URL.value()
    return not url or (_own is not None and url == _own.url)


def lost_server_message(error: BaseException) -> str | None:
    """What to tell about a run that lost its server on the way; None if ``error`` says something else."""
    if not server_is_gone(error):
        return None
    url = PREFECT_API_URL.value()
    where = f" at {shown_url(url)}" if url else ""
    return (
        f"Prefect's server{where} no longer answers ({_reason(error)}); "
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
