"""Whether a run has a Prefect server is found out before it begins, and said in one line without secrets."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from components.errors import ConfigError
from flows.server import ephemeral_server
from tests.serving import free_port


def refused() -> str:
    with pytest.raises(ConfigError) as result:
        ephemeral_server.check_server()
    (line,) = str(result.value).splitlines()
    return line


def test_a_server_that_is_not_there() -> None:
    port = free_port()
    with temporary_settings({PREFECT_API_URL: f"http://user:secret@127.0.0.1:{port}/api"}):
        output = refused()
    assert f"expected a Prefect server at http://127.0.0.1:{port}/api, found ConnectError" in output
    assert "start it (prefect server start), or unset PREFECT_API_URL" in output
    assert "secret" not in output


def test_a_server_that_was_begun_early_is_ended_where_settings_name_another() -> None:
    """The command begins one before it can read Prefect's settings."""
    ended: list[bool] = []
    early: Any = SimpleNamespace(stop=lambda: ended.append(True), serve=lambda: pytest.fail("it serves"))
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        ephemeral_server.start_server(early)
        assert PREFECT_API_URL.value() == "http://127.0.0.1:4200/api"
    assert ended == [True]


def test_a_home_that_is_a_file_or_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    with temporary_settings({PREFECT_HOME: file}, restore_defaults={PREFECT_API_URL}):
        assert (
            f"PREFECT_HOME: expected a folder that Prefect can write to, found {file}: File exists"
            in refused()
        )
    with temporary_settings({PREFECT_HOME: tmp_path}, restore_defaults={PREFECT_API_URL}):
        ephemeral_server.check_server()
        monkeypatch.setattr(ephemeral_server, "_DATABASE_BYTES", 10**18)
        assert f"MB in {tmp_path}; free some space or set PREFECT_HOME" in refused()

        def full(**_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        assert f"found {tmp_path}: No space left on device" in refused()


def test_a_server_that_went_away_is_told_from_others() -> None:
    ours = httpx.Request(
        "POST", "http://127.0.0.1:4200/api/artifacts/", headers={"User-Agent": "prefect/3.9.1"}
    )
    with temporary_settings({PREFECT_API_URL: "http://user:secret@127.0.0.1:4200/api"}):
        output = ephemeral_server.describe_lost_server(httpx.ConnectError("Connection refused", request=ours))
    assert output.startswith(
        "Prefect's server at http://127.0.0.1:4200/api no longer answers (ConnectError: Con"
    )
    hub = httpx.Request("GET", "https://hub.example/model", headers={"User-Agent": "python-httpx/0.28"})
    assert (
        ephemeral_server.describe_lost_server(httpx.ConnectError("Connection refused", request=hub)) is None
    )
    assert ephemeral_server.describe_lost_server(httpx.ConnectError("Connection refused")) is None
    assert ephemeral_server.describe_lost_server(ValueError("x")) is None


def test_an_error_for_the_user_is_logged_once_without_its_traceback() -> None:
    """A task of a shard, the task of its stage and the flow log the same error, on workers as here."""
    logged: list[tuple[str, bool]] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append((record.getMessage(), record.exc_info is not None))

    handler = Noting()
    for error in (ConfigError("expected this"), ValueError("a fault of ours")):
        for name in ("task_runs", "task_runs", "flow_runs"):
            logger = logging.getLogger(f"prefect.{name}")
            logger.addHandler(handler)
            try:
                raise error
            except type(error):
                logger.exception("failed: %s", error)
            finally:
                logger.removeHandler(handler)
    assert logged == [("expected this", False), *[("failed: a fault of ours", True)] * 3]
