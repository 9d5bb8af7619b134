"""Prefect's settings, in one place, set before Prefect is used; what the user has set stays.

Measured with Prefect 3.9: the ephemeral server needs more than its 20 s to start on a busy machine; with
the recorder's default batches a run of 200 tasks loses task runs from its history; an empty
``PREFECT_API_URL`` breaks events.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from components.errors import AntiphonError

DEFAULTS = {
    # Nothing leaves the machine, but what the UI's pages ask of amplitude.com in the browser.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Start-up and history.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Events are most of the database, which no run reads again (docs/use/deployments.md); else a week.
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
    # A killed run falls silent, which automations/lost-runs.yaml turns into a state.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # What components and the store say belongs to the run's log.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "antiphon",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # A server that is gone: given up after 14 s for a call (not 62), without every event that was not sent.
    "PREFECT_CLIENT_MAX_RETRIES": "3",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    # A page of another origin can neither read the server nor start a run on it; the same is in prefect.toml,
    # which `prefect server start` reads in the project's folder.
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1:4200,http://localhost:4200",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
}


def server_is_gone(error: BaseException | None) -> bool:
    """Return whether an error says that Prefect's server (no other one) does not answer."""
    if error is None:
        return False
    import httpx

    if not isinstance(error, httpx.TransportError):
        return False
    with suppress(RuntimeError):  # an error without a request
        agent: str = error.request.headers.get("User-Agent", "")
        return agent.startswith("prefect/")
    return False


class OneLineErrors(logging.Filter):
    """Logging filter: an expected error is logged once, as the line that a user reads, without a traceback.

    A failed run's last line only names its state, since the error stands above it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether it is to be logged."""
        if record.levelno >= logging.INFO and record.getMessage().startswith("Finished in state Failed("):
            record.msg, record.args = "Finished in state Failed", None
            record.levelno, record.levelname = logging.INFO, "INFO"
        error = record.exc_info[1] if record.exc_info else None
        if server_is_gone(error):
            record.exc_info = None
        if not isinstance(error, AntiphonError):
            return True
        already_logged, error.logged = error.logged, True
        record.msg, record.args, record.exc_info = str(error), None, None
        return not already_logged


def apply() -> None:
    """Set what the environment does not set, drop an empty ``PREFECT_API_URL``, make Prefect's home."""
    if os.environ.get("PREFECT_API_URL") == "":
        del os.environ["PREFECT_API_URL"]
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "prefect.context" in sys.modules:  # a worker's process reads its settings, then a flow
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()
        for handler in logging.getLogger("prefect.extra").handlers:
            logging.getLogger("antiphon").addHandler(handler)
    # Else Python's root logger would keep back how far a component is.
    logging.getLogger("antiphon").setLevel(os.environ.get("PREFECT_LOGGING_LEVEL", "INFO").upper())
    for name in ("prefect.task_runs", "prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(OneLineErrors())
    if home := os.environ.get("PREFECT_HOME"):
        with suppress(OSError):  # Prefect makes the last folder only, and waits 90 s for a server without it
            Path(home).expanduser().mkdir(parents=True, exist_ok=True)


apply()
