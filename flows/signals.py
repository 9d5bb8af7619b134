"""Ctrl-C and SIGTERM: finished shards are kept, the server gets the state, the user a hint how to go on."""

from __future__ import annotations

import contextvars
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Crashed

from flows.server.ephemeral_server import is_own_server

SERVER_TIMEOUT_SECONDS = 2
"""Seconds to wait for the server, which is gone itself after Ctrl-C where it is the run's own."""
SIGTERM_LIMIT_SECONDS = 7.0
"""Seconds after SIGTERM at which the process goes, whatever its threads compute; Docker kills after ten."""
_HINT_PENDING = threading.Event()
"""Set in the process of the `antiphon` command until the hint how to go on is printed."""


class SigtermReceived(BaseException):
    """SIGTERM, as an exception that nothing but the command catches."""


def _do_nothing() -> None:
    """There is no terminal to give back."""


_before_hint: Callable[[], None] = _do_nothing


@contextmanager
def handle_signals(before_hint: Callable[[], None] = _do_nothing) -> Iterator[None]:
    """Ends the process at once on Ctrl-C; on SIGTERM raises :class:`SigtermReceived` after the flow was left.

    Prefect notes a SIGTERM itself, then gives it on to the handler that it found. After Ctrl-C it would wait
    for the shard, a minute of Whisper, and then for its server.

    Args:
        before_hint: called before the hint how to go on is printed; it gives the terminal back.
    """
    global _before_hint  # noqa: PLW0603 - a process has one terminal
    _before_hint = before_hint
    previous_handlers = {
        signal.SIGINT: signal.signal(signal.SIGINT, _on_ctrl_c),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _on_sigterm),
    }
    _HINT_PENDING.set()
    try:
        yield
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


@contextmanager
def limit_time_after_sigterm() -> Iterator[None]:
    """Ends the process at most ``SIGTERM_LIMIT_SECONDS`` after SIGTERM, whatever the block is doing.

    The signal is seen although Prefect has a handler of its own, which must stay, and although the main
    thread may be inside a long call: Python writes its number to a descriptor at once.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    outer_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    if outer_fd != -1:  # a flow inside another, whose end is watched already
        signal.set_wakeup_fd(outer_fd)
        os.close(read_end)
        os.close(write_end)
        yield
        return
    is_over = threading.Event()
    watch = contextvars.copy_context().run  # it must know the flow run
    threading.Thread(target=watch, args=(_watch_for_sigterm, read_end, is_over), daemon=True).start()
    try:
        yield
    except TerminationSignal:
        raise  # and the clock runs on: Prefect now waits for the shard at work
    except BaseException:
        is_over.set()
        raise
    else:
        is_over.set()
    finally:
        signal.set_wakeup_fd(-1)
        os.close(write_end)


def confirm_cancellation() -> None:
    """Set the state of a flow run whose cancellation was requested to Cancelled.

    A worker says so too, but only after it has loaded the flow once more to look for hooks.
    """
    _update_server(None)


def report_interruption(by: signal.Signals) -> int:
    """Print once how to go on; returns the exit code."""
    if _HINT_PENDING.is_set():
        _HINT_PENDING.clear()
        _before_hint()
        command = shlex.join(["antiphon", *sys.argv[1:]])
        sys.stderr.write(
            "antiphon: interrupted; finished shards are kept. "
            f"To go on where it stopped, run again: {command}\n"
        )
        sys.stderr.flush()
    return 128 + by


def exit_after_sigterm() -> int:
    """End a command that got SIGTERM: leaves the process, or returns the exit code."""
    code = report_interruption(signal.SIGTERM)
    if is_own_server():
        exit_now(code)  # it would wait for its own server
    return code


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise SigtermReceived


def _on_ctrl_c(number: int, frame: FrameType | None) -> None:
    """No cleaning up but this: a store is as good after it as after a kill."""
    signal.signal(number, signal.SIG_DFL)  # a second one is not kept waiting
    _crash(signal.Signals(number), "Interrupted by Ctrl-C.")


def _watch_for_sigterm(reading: int, over: threading.Event) -> None:
    while number := os.read(reading, 1):
        if number[0] == signal.SIGTERM and not over.wait(SIGTERM_LIMIT_SECONDS):
            _crash(signal.SIGTERM, "Interrupted by SIGTERM.")
    os.close(reading)


def _crash(by: signal.Signals, message: str) -> None:
    code = report_interruption(by)
    _update_server(Crashed(message=message))
    exit_now(code)


def exit_now(code: int) -> None:
    """End this process at once; guards end its server and the user's programs that it runs."""
    sys.stdout.flush()
    os._exit(code)


def _update_server(new_state: State | None) -> None:
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(_set_flow_run_state, new_state), daemon=True
    )
    thread.start()
    thread.join(SERVER_TIMEOUT_SECONDS)


def _set_flow_run_state(new_state: State | None) -> None:
    """Set the flow run's state: Cancelled if that was requested, else ``new_state`` if there is one."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with suppress(Exception), get_client(sync_client=True) as client:
        current_state = client.read_flow_run(context.flow_run.id).state
        if current_state is not None and current_state.is_cancelled():
            return
        if current_state is not None and current_state.is_cancelling():
            new_state = Cancelled(message="Finished shards are kept.")
        if new_state is not None:
            client.set_flow_run_state(context.flow_run.id, new_state, force=True)
