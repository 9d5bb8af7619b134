"""A lock that many hold together, or one alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, local


class SharedLock:
    """Held by any number of threads that share it, or by one that excludes all others.

    Whoever wants it alone goes before those who come later to share it. A thread that holds it may enter
    again, in either way, and changes nothing by that.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._sharing = 0
        self._is_exclusive = False
        self._waiting = 0
        self._own = local()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it together with others."""
        with self._entered(exclusive=False):
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold it alone."""
        with self._entered(exclusive=True):
            yield

    @contextmanager
    def _entered(self, *, exclusive: bool) -> Iterator[None]:
        if getattr(self._own, "inside", False):
            yield
            return
        self._acquire(exclusive=exclusive)
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._condition:
                if exclusive:
                    self._is_exclusive = False
                else:
                    self._sharing -= 1
                self._condition.notify_all()

    def _acquire(self, *, exclusive: bool) -> None:
        with self._condition:
            if not exclusive:
                self._condition.wait_for(lambda: not (self._is_exclusive or self._waiting))
                self._sharing += 1
                return
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: not (self._is_exclusive or self._sharing))
                self._is_exclusive = True
            finally:
                self._waiting -= 1
                self._condition.notify_all()
