"""What Prefect is set to for a run, and which of its log lines keep a traceback."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import httpx
import pytest

from components.errors import DataError
from flows.server import settings


def log_record(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord("prefect", logging.ERROR, "x.py", 1, "Encountered", (), sys.exc_info())


@pytest.mark.parametrize(("agent", "traceback"), [("prefect/3.6", False), ("python-httpx/0.28", True)])
def test_the_traceback_of_a_server_that_is_gone_is_left_out(agent: str, traceback: bool) -> None:
    """Another server's is a fault of its own."""
    request = httpx.Request("GET", "http://127.0.0.1/api", headers={"User-Agent": agent})
    record = log_record(httpx.ConnectError("refused", request=request))
    assert settings.OneLineErrors().filter(record)
    assert (record.exc_info is not None) == traceback


def test_an_expected_error_is_logged_once_in_a_line() -> None:
    error = DataError("a.wav: expected audio")
    first, second = log_record(error), log_record(error)
    assert settings.OneLineErrors().filter(first)
    assert (first.getMessage(), first.exc_info) == ("a.wav: expected audio", None)
    assert not settings.OneLineErrors().filter(second)


def test_an_empty_address_is_none_and_the_home_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path / "a" / "b")})
    settings.apply()
    assert "PREFECT_API_URL" not in os.environ
    assert os.environ["PREFECT_CLIENT_MAX_RETRIES"] == settings.DEFAULTS["PREFECT_CLIENT_MAX_RETRIES"]
    assert (tmp_path / "a" / "b").is_dir()
