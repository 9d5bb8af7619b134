"""``-q`` and ``-v``, which every command takes: how much it says beside its results."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Annotated, Any

import typer

from components.text.escaping import to_printable
from flows.cli.help.model_flags import set_signature


def print_notice(text: str) -> None:
    """Print a line on standard error; what a terminal would obey is spelled out."""
    sys.stderr.write(f"antiphon: {to_printable(text)}\n")


class Verbosity(IntEnum):
    """How much a command says on standard error."""

    QUIET = -1
    NORMAL = 0
    VERBOSE = 1
    DEBUG = 2


Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="only results and errors")]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        metavar="",
        show_default=False,
        help="also Prefect's log, and a run's summary below its analysis; -vv: debug",
    ),
]
_current = Verbosity.NORMAL


def verbosity() -> Verbosity:
    """Return what the command was told."""
    return _current


def set_verbosity(*, quiet: bool, verbose: int) -> None:
    """Set it for this process; Prefect, which is not imported yet, reads its level from the environment."""
    global _current  # noqa: PLW0603 - a process has one standard error
    _current = Verbosity.QUIET if quiet else Verbosity(min(verbose, Verbosity.DEBUG))
    if _current == Verbosity.DEBUG:
        os.environ["PREFECT_LOGGING_LEVEL"] = "DEBUG"


def with_verbosity(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``-q`` and ``-v``, and flags that name no type in its help."""
    options = {"quiet": (Quiet, False), "verbose": (Verbose, 0)}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    own = inspect.signature(command, eval_str=True).parameters
    if options.keys() <= own.keys():  # it has them already
        return command
    parameters = [*own.values(), *added]

    @wraps(command)
    def wrapper(*, quiet: bool = False, verbose: int = 0, **values: Any) -> Any:
        set_verbosity(quiet=quiet, verbose=verbose)
        return command(**values)

    set_signature(wrapper, parameters)
    for parameter in parameters:
        for mark in getattr(parameter.annotation, "__metadata__", ()):
            if parameter.annotation.__origin__ is bool:
                mark.metavar = ""
    return wrapper
