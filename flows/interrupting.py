"""Ctrl-C and SIGTERM: what is complete is kept, the server is told, and how to go on is said."""

from __future__ import annotations

import contextvars
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed

SECONDS = 3
"""A server that has not answered by then is not told: after Ctrl-C a run's own server is gone as well."""


class Stopped(BaseException):
    """SIGTERM, as an exception that nothing but the command catches."""


@contextmanager
def signals() -> Iterator[None]:
    """Ctrl-C ends the process in the block at once, SIGTERM after the shard at work as :class:`Stopped`.

    Prefect notes a SIGTERM itself, then gives it on to the handler that it found. After Ctrl-C it would wait
    for the shard, a minute of Whisper, and then for its server.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, _leave),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _stop),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted(by: signal.Signals) -> int:
    """Say how to go on; the exit code."""
    command = shlex.join(["antiphon", *sys.argv[1:]])
    sys.stderr.write(
        f"antiphon: interrupted; finished shards are kept. To go on where it stopped, run again: {command}\n"
    )
    return 128 + by


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _leave(number: int, frame: FrameType | None) -> None:
    """No cleaning up but this: a store is as good after it as after a kill."""
    signal.signal(number, signal.SIG_DFL)  # a second one is not kept waiting
    code = interrupted(signal.Signals(number))
    telling = threading.Thread(target=contextvars.copy_context().run, args=(_tell,), daemon=True)
    telling.start()
    telling.join(SECONDS)
    if not PREFECT_API_URL.value():
        with suppress(Exception):
            SubprocessASGIServer().stop()
    sys.stdout.flush()
    os._exit(code)


def _tell() -> None:
    """Note the flow run as crashed, as Prefect does."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with suppress(Exception), get_client(sync_client=True) as client:
        client.set_flow_run_state(context.flow_run.id, Crashed(message="Interrupted by Ctrl-C."), force=True)
