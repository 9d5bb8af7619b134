"""One line for a fault that no user made: what was raised, where, in whose package; its traceback is kept."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import ValidationError

from components.errors import AntiphonError, ComponentError, to_one_line
from components.extensions import foreign_modules
from components.files.digests import cache_folder
from components.files.redaction import redact

_OWN = ("antiphon", "components", "flows", "reports", "tasks")


@contextmanager
def explain_faults(
    what: str, items: Sequence[Any] = (), passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn what the block raises, and nobody expects, into a :class:`ComponentError` of one line.

    It names ``what`` was called and the item that was at hand; errors of ``passing`` are let through.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (AntiphonError, *passing)):
            raise
        explained = explain(error, f"{what}: expected its code to compute", items)
        raise explained from (None if explained is error else error)


def explain(error: BaseException, expected: str, items: Sequence[Any] = ()) -> BaseException:
    """Return ``error`` as a line that begins with what was ``expected``, of one of the ``items`` of a node.

    What is the system's, such as a full disk, and not another package's, is returned as it is.
    """
    frames = [*traceback.walk_tb(error.__traceback__)][::-1]
    packages = foreign_modules()
    foreign = [each for each in frames if _module_of(each[0]) in packages]
    if isinstance(error, OSError) and not foreign:
        return error
    at = ""
    for frame, line in [*foreign, *(each for each in frames if _module_of(each[0]) in _OWN)][:1]:
        package, path = packages.get(_module_of(frame)), Path(frame.f_code.co_filename)
        owner = "Antiphon" if package is None else f"the package {package} {version(package)}"
        at = f" ({path.parent.name}/{path.name}:{line} of {owner})"
    found = redact(f"{type(error).__name__}: {_message_of(error)}".removesuffix(": "))
    which = _describe_items([frame for frame, _ in frames], items)
    return ComponentError(f"{expected}{which}, found {found}{at}; {_keep_traceback(error)}")


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _message_of(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    text = str(error).strip()
    return to_one_line(text.splitlines()[-1] if text.startswith("Traceback") else text, 300)


def _describe_items(frames: Sequence[FrameType], items: Sequence[Any]) -> str:
    """Return which item was at hand in the innermost frame that has one alone, else first and last."""
    ids = {id(item): item.utterance.id for item in items}
    for frame in frames:
        at_hand = {ids[id(value)] for value in list(frame.f_locals.values()) if id(value) in ids}
        if len(at_hand) == 1:
            return f" {at_hand.pop()}"
    return f" {items[0].utterance.id} to {items[-1].utterance.id}" if items else ""


def _keep_traceback(error: BaseException) -> str:
    text = redact("".join(traceback.format_exception(error)))
    path = cache_folder() / "faults" / f"{type(error).__name__}-{sha256(text.encode()).hexdigest()[:12]}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as fault:
        return f"its traceback cannot be kept in {path.parent} ({fault.strerror}); set ANTIPHON_CACHE"
    return f"the whole traceback is in {path}"
