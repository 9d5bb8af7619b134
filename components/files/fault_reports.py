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

from components.errors import AntiphonError, ComponentError, StoreError, to_one_line
from components.extensions import foreign_modules
from components.files.digests import cache_folder
from components.files.files import write_bytes
from components.files.redaction import redact

_OWN = ("antiphon", "components", "flows", "reports", "tasks")


@contextmanager
def explain_faults(what: str, items: Sequence[Any] = (), passing: tuple[Any, ...] = ()) -> Iterator[None]:
    """Turn what the block raises, and nobody expects, into a line that names ``what`` ran and the item."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (AntiphonError, *passing)) or _is_of_logging(error):
            raise
        explained = explain(error, f"{what}: expected its code to compute", items)
        raise explained from (None if explained is error else error)


def _is_of_logging(error: BaseException) -> bool:
    """Return whether what is logged to ends the process: the pipe to a worker that was killed."""
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, SystemExit) and any(
        frame.f_globals.get("__name__") == "logging" for frame, _ in frames
    )


def explain(error: BaseException, expected: str, items: Sequence[Any] = ()) -> BaseException:
    """Return ``error`` as a line that begins with what was ``expected``; one of the system as it is."""
    frames = [*traceback.walk_tb(error.__traceback__)][::-1]
    modules = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames]
    packages = foreign_modules()
    places = [n for n, module in enumerate(modules) if module in packages]
    if isinstance(error, OSError) and not places:
        return error
    at = ""
    for n in [*places, *(n for n, module in enumerate(modules) if module in _OWN)][:1]:
        package, path = packages.get(modules[n]), Path(frames[n][0].f_code.co_filename)
        owner = "Antiphon" if package is None else f"the package {package} {version(package)}"
        at = f" ({path.parent.name}/{path.name}:{frames[n][1]} of {owner})"
    message = to_one_line(error, 300)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    raised = redact(f"{type(error).__name__}: {message}".removesuffix(": "))
    return ComponentError(f"{expected}{_name_items(frames, items)}, found {raised}{at}; {_keep(error)}")


def _name_items(frames: Sequence[tuple[FrameType, int]], items: Sequence[Any]) -> str:
    """Return which item was at hand in the innermost frame that has one alone, else first and last."""
    ids = {id(part): item.utterance.id for item in items for part in (item, item.utterance)}
    for frame, _ in frames:
        at_hand = {ids[id(value)] for value in list(frame.f_locals.values()) if id(value) in ids}
        if len(at_hand) == 1:
            return f" {at_hand.pop()}"
    return f" {items[0].utterance.id} to {items[-1].utterance.id}" if items else ""


def _keep(error: BaseException) -> str:
    content = redact("".join(traceback.format_exception(error))).encode(errors="backslashreplace")
    path = cache_folder() / "faults" / f"{type(error).__name__}-{sha256(content).hexdigest()[:12]}.txt"
    try:
        write_bytes(path, content)
    except (OSError, StoreError) as fault:
        return f"its traceback cannot be kept in {path.parent} ({fault}); set ANTIPHON_CACHE"
    return f"the whole traceback is in {path}"
