"""Giving a reader damaged files until one is neither read nor refused in a line."""

from __future__ import annotations

import random
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from components.errors import AntiphonError
from tests.fuzzing.readers import Reader

MAX_SECONDS = 10.0
"""CPU seconds for one file of at most some hundred kilobytes."""


class Failure(NamedTuple):
    """A damaged file, its number, and what became of it."""

    number: int
    content: bytes
    what: str


class _TooLongError(BaseException):
    pass


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLongError


def fuzz(reader: Reader, mutations: int, folder: Path, seed: int = 0) -> Iterator[Failure]:
    """Yield what is wrong with a reader.

    Args:
        reader: the reader.
        mutations: how many damaged files it is given.
        folder: for them.
        seed: of the damage; each number has its own.
    """
    path, good = folder / reader.name, reader.seed()
    before = signal.signal(signal.SIGPROF, _stop)
    try:
        for number in range(mutations):
            draw = random.Random(f"{seed} {number}")
            content = draw.choice(reader.mutations)(good, draw)
            path.write_bytes(content)
            if what := _read(reader, path):
                yield Failure(number, content, what)
    finally:
        signal.signal(signal.SIGPROF, before)


def _read(reader: Reader, path: Path) -> str:
    """What is wrong; empty where nothing is."""
    began = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, 2 * MAX_SECONDS)
        with warnings.catch_warnings(action="ignore"):
            reader.read(path)
    except AntiphonError as error:
        if not str(error):
            return "a message without words"
    except _TooLongError:
        return f"more than {2 * MAX_SECONDS:g} CPU s:\n{traceback.format_exc(limit=-6)}"
    except BaseException:
        return traceback.format_exc(limit=-8)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - began
    return f"{seconds:.1f} CPU s" if seconds > MAX_SECONDS else ""
