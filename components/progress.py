"""Progress inside a batch: components report what share of it is done, and whoever shows it listens.

Nobody listens on a cluster's workers, in tests or in plain Python: there a report does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
ShareListener = Callable[[float], None]
"""Called with the share of a batch that is done, from 0 to 1."""
_LISTENER: ContextVar[ShareListener | None] = ContextVar("listener of progress", default=None)


@contextmanager
def listen(listener: ShareListener) -> Iterator[None]:
    """Give reports of the block to ``listener``, also those of threads that are started with its context."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_share(done: float, total: float) -> None:
    """Report that ``done`` of ``total`` (of any unit) of the present batch are finished."""
    listener = _LISTENER.get()
    if listener is not None and total > 0:
        listener(min(max(done / total, 0.0), 1.0))


def track(parts: Sequence[T]) -> Iterator[T]:
    """Yield the parts of a batch, and report after each how many are done."""
    for number, part in enumerate(parts, start=1):
        yield part
        report_share(number, len(parts))
