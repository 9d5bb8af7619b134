"""Prefect's temporary server for a flow that is called from Python: it ends with the process that has it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from components.compute.process_guard import ProcessGuard
from flows.server.server_process import COMMAND, EPHEMERAL_ENVIRONMENT, serve


class GuardedServer(SubprocessASGIServer):
    """Prefect's temporary server, which alone would go on for ever after a ``kill -9`` of its run."""

    _guard: ProcessGuard | None = None

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        process = subprocess.Popen(  # noqa: S603 - nothing of it is a user's
            [*COMMAND, "port", str(self.port)],
            env=os.environ | EPHEMERAL_ENVIRONMENT | settings,
            stdin=subprocess.PIPE,
        )
        serve(process)
        self._release()
        if os.name == "posix":
            self._guard = ProcessGuard(process.pid)
        return process

    def stop(self) -> None:
        """Stop the server, then its guard."""
        super().stop()
        self._release()

    def _release(self) -> None:
        if self._guard is not None:
            self._guard.release()
            self._guard = None


GuardedServer()  # the one instance that Prefect starts when a flow asks for a server
