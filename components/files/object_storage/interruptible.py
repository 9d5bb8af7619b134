"""Calls that wait outside Python, where no signal is handled, made so that Ctrl-C and SIGTERM end them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def call_interruptibly(call: Callable[[], T]) -> T:
    """Return what a call returns; in the main thread, which handles signals, another thread makes it.

    A call that is given up this way goes on until it ends by itself, or the process does.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="antiphon-call", daemon=True).start()
    return future.result()
