"""Progress inside a batch or a download: components report it, and whoever shows it listens.

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
DownloadListener = Callable[[str, int, int], None]
"""Called with the name of a download, the bytes that are there and all of its bytes."""
_LISTENER: ContextVar[ShareListener | None] = ContextVar("listener of progress", default=None)
_DOWNLOAD_LISTENER: ContextVar[DownloadListener | None] = ContextVar("listener of downloads", default=None)


@contextmanager
def listen(listener: ShareListener | None) -> Iterator[None]:
    """Give reports of the block to ``listener`` or nobody, also those of threads started with its context."""
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


@contextmanager
def listen_to_downloads(listener: DownloadListener) -> Iterator[None]:
    """Give reports of downloads in the block to ``listener``."""
    token = _DOWNLOAD_LISTENER.set(listener)
    try:
        yield
    finally:
        _DOWNLOAD_LISTENER.reset(token)


def report_download(name: str, done: int, total: int) -> bool:
    """Report ``done`` of ``total`` bytes of a download; returns whether somebody listens."""
    listener = _DOWNLOAD_LISTENER.get()
    if listener is not None:
        listener(name, done, total)
    return listener is not None
