"""The Prefect server of a run: the one that PREFECT_API_URL names, or a temporary one that ends with the run.

The command starts its own (server_process.py) before it imports what it runs, and tells Prefect its URL.
A flow that is called from Python gets Prefect's temporary server (guarded_server.py).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    get_current_settings,
    temporary_settings,
)

from components.errors import ConfigError
from flows.server.server_process import ServerProcess, reason_of
from flows.server.settings import server_is_gone

_DATABASE_BYTES = 50_000_000
"""Bytes for the database of a run's own server, of which a run of ten tasks takes 5 MB."""
_own_server: ServerProcess | None = None


def start_server(server: ServerProcess | None) -> None:
    """Use ``server`` for this process, unless Prefect's settings name another one.

    Raises:
        ConfigError: PREFECT_HOME cannot be written, or has no room for the database.
    """
    global _own_server  # noqa: PLW0603 - a process has one
    if server is None:
        return
    if PREFECT_API_URL.value() or not get_current_settings().server.ephemeral.enabled:
        server.stop()
        return
    _check_home(Path(PREFECT_HOME.value()))
    server.serve()
    _own_server = server
    os.environ |= {"PREFECT_API_URL": server.url, "PREFECT_UI_URL": ""}  # there is no page to link to
    refresh_global_settings_context()


def check_server() -> None:
    """Check before a run that its server answers.

    Raises:
        ConfigError: the server that PREFECT_API_URL names does not answer.
        TransientError: the temporary one did not start.
    """
    url = PREFECT_API_URL.value()
    if _own_server is not None and url == _own_server.url:
        _own_server.wait(get_current_settings().server.ephemeral.startup_timeout_seconds)
        return
    if not url:
        _check_home(Path(PREFECT_HOME.value()))
        return
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise ConfigError(
            f"PREFECT_API_URL: expected a Prefect server at {redact_url(url)}, found {reason_of(error)}; "
            "start it (prefect server start), or unset PREFECT_API_URL and the run starts one of its own"
        )


def is_own_server() -> bool:
    """Return whether the server ends with this process."""
    url = PREFECT_API_URL.value()
    return not url or (_own_server is not None and url == _own_server.url)


@contextmanager
def spare_heartbeats() -> Iterator[None]:
    """Send none in the block where the server ends with this process: nobody would miss them.

    Prefect waits up to a second at the end of each flow for the thread that sends them. Settings are made
    anew where something changes only: it takes 50 ms.
    """
    own = is_own_server() and PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() is not None
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}) if own else nullcontext():
        yield


def describe_lost_server(error: BaseException) -> str | None:
    """Return the error message of a run that lost its server; None if ``error`` is another one."""
    if not server_is_gone(error):
        return None
    url = PREFECT_API_URL.value()
    where = f" at {redact_url(url)}" if url else ""
    return (
        f"Prefect's server{where} no longer answers ({reason_of(error)}); "
        "finished stages and shards are kept: start it and run the same again"
    )


def redact_url(url: str) -> str:
    """Return a URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check_home(home: Path) -> None:
    """Refuse a home in which the database cannot be written: Prefect would wait for the server in vain."""
    branches = "free some space or set PREFECT_HOME to another folder"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"0" * 65536)
            probe.flush()
        free = shutil.disk_usage(home).free
    except OSError as error:
        raise ConfigError(
            "PREFECT_HOME: expected a folder that Prefect can write to, "
            f"found {home}: {error.strerror}; {branches}"
        ) from None
    if free < _DATABASE_BYTES:
        raise ConfigError(
            f"PREFECT_HOME: expected {_DATABASE_BYTES // 10**6} MB free for Prefect's database, "
            f"found {free // 10**6} MB in {home}; {branches}"
        )
