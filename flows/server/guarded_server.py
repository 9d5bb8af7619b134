"""Prefect's temporary server for a flow that is called from Python: it ends with the process that has it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from prefect.server.api.server import SubprocessASGIServer

from components.process_guard import ProcessGuard


class GuardedServer(SubprocessASGIServer):
    """Prefect's temporary server, which alone would go on for ever after a ``kill -9`` of its run."""

    _guard: ProcessGuard | None = None

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        process = super()._run_uvicorn_command()
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
