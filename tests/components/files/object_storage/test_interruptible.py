"""A call that waits outside Python ends when a signal comes."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from components.files.object_storage.interruptible import call_interruptibly


def test_what_it_returns_or_raises_is_handed_on() -> None:
    assert call_interruptibly(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_interruptibly(lambda: 1 / 0)


def test_a_signal_ends_it() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    waiting = threading.Lock()
    waiting.acquire()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            call_interruptibly(lambda: waiting.acquire(timeout=10))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 5
    waiting.release()
