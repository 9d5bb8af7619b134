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
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Crashed

from components.nodes import own_program
from flows.ephemeral_server import is_own

SECONDS = 2
"""A server that has not answered by then is not told: after Ctrl-C a run's own server is gone as well."""
LIMIT = 7.0
"""Seconds after SIGTERM at which the process goes, whatever its threads compute; Docker kills after ten."""
_TO_BE_TOLD = threading.Event()
"""Set in the process of the `antiphon` command until its user has been told how to go on."""


class Stopped(BaseException):
    """SIGTERM, as an exception that nothing but the command catches."""


@contextmanager
def signals() -> Iterator[None]:
    """Ctrl-C ends the process in the block at once, SIGTERM as :class:`Stopped` once it has left the flow.

    Prefect notes a SIGTERM itself, then gives it on to the handler that it found. After Ctrl-C it would wait
    for the shard, a minute of Whisper, and then for its server.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, _leave),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _stop),
    }
    _TO_BE_TOLD.set()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_in_time() -> Iterator[None]:
    """A flow in the block whose process gets SIGTERM is over after ``LIMIT`` seconds.

    The signal is seen although Prefect has a handler of its own, which must stay, and although the main
    thread may be inside a long call: Python writes its number to a descriptor at once.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    around = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if around != -1:  # a flow inside another, whose end is watched already
        signal.set_wakeup_fd(around)
        os.close(reading)
        os.close(writing)
        yield
        return
    over = threading.Event()
    watch = contextvars.copy_context().run  # it must know the flow run
    threading.Thread(target=watch, args=(_watch, reading, over), daemon=True).start()
    try:
        yield
    except TerminationSignal:
        raise  # and the clock runs on: Prefect now waits for the shard at work
    except BaseException:
        over.set()
        raise
    else:
        over.set()
    finally:
        signal.set_wakeup_fd(-1)
        os.close(writing)


def note_if_cancelled() -> None:
    """Tell the server of a flow run that was asked to be cancelled that this is done.

    A worker says so too, but only after it has loaded the flow once more to look for hooks.
    """
    _in_time(None)


def interrupted(by: signal.Signals) -> int:
    """Say how to go on, once; the exit code."""
    if _TO_BE_TOLD.is_set():
        _TO_BE_TOLD.clear()
        command = shlex.join(["antiphon", *sys.argv[1:]])
        sys.stderr.write(
            "antiphon: interrupted; finished shards are kept. "
            f"To go on where it stopped, run again: {command}\n"
        )
        sys.stderr.flush()
    return 128 + by


def stopped() -> int:
    """The end of a command that was sent SIGTERM: the exit code, if it comes to that."""
    code = interrupted(signal.SIGTERM)
    if is_own():
        exit_now(code)  # it would wait for its own server
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def _leave(number: int, frame: FrameType | None) -> None:
    """No cleaning up but this: a store is as good after it as after a kill."""
    signal.signal(number, signal.SIG_DFL)  # a second one is not kept waiting
    _end(signal.Signals(number), "Interrupted by Ctrl-C.")


def _watch(reading: int, over: threading.Event) -> None:
    while number := os.read(reading, 1):
        if number[0] == signal.SIGTERM and not over.wait(LIMIT):
            _end(signal.SIGTERM, "Interrupted by SIGTERM.")
    os.close(reading)


def _end(by: signal.Signals, message: str) -> None:
    code = interrupted(by)
    _in_time(Crashed(message=message))
    exit_now(code)


def exit_now(code: int) -> None:
    """End this process at once and the programs that it started; its server's guard ends the server."""
    own_program.kill_all()
    sys.stdout.flush()
    os._exit(code)


def _in_time(otherwise: State | None) -> None:
    telling = threading.Thread(target=contextvars.copy_context().run, args=(_tell, otherwise), daemon=True)
    telling.start()
    telling.join(SECONDS)


def _tell(otherwise: State | None) -> None:
    """Note the flow run as cancelled if that was asked for, else as ``otherwise`` if that is given."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with suppress(Exception), get_client(sync_client=True) as client:
        asked = client.read_flow_run(context.flow_run.id).state
        if asked is not None and asked.is_cancelling():
            otherwise = Cancelled(message="Finished shards are kept.")
        if otherwise is not None:
            client.set_flow_run_state(context.flow_run.id, otherwise, force=True)
