"""What a run shows while it works: live lines in a terminal, plain lines elsewhere, as ``-q`` and ``-v`` say.

It begins before Prefect is imported, so that a user sees at once that something happens.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from components.compute.progress import listen_to_downloads
from flows.cli.help.verbosity import Verbosity, verbosity

if TYPE_CHECKING:
    from reports.terminal.live_progress import LiveProgress

_NO_BARS = {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
"""What keeps progress bars of libraries off the terminal, where they would run through our lines."""


class RunDisplay:
    """Standard error during a run.

    Attributes:
        live: the moving lines; None where standard error is no terminal, or ``-q`` was given.
    """

    def __init__(self, live: LiveProgress | None) -> None:
        self.live = live
        self._after_import = ExitStack()

    def show_phase(self, text: str) -> None:
        """Show what is done while no node computes."""
        if self.live is not None:
            self.live.show_phase(text)
        elif verbosity() > Verbosity.QUIET:  # importing takes seconds
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def attach(self) -> None:
        """Take over the log lines, and show the progress of nodes; imports Prefect."""
        from prefect.logging import configuration
        from prefect.logging.handlers import PrefectConsoleHandler

        from tasks.progress import show_on

        if not configuration.PROCESS_LOGGING_CONFIG:  # else Prefect has read it: 50 ms of YAML
            configuration.setup_logging()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, PrefectConsoleHandler):
                self._take_over(handler)
        if self.live is not None:
            self._after_import.enter_context(show_on(self.live))
            self._after_import.enter_context(listen_to_downloads(self.live.show_download))

    def _take_over(self, handler: logging.Handler) -> None:
        from rich.console import Console

        for earlier in [mark for mark in handler.filters if isinstance(mark, OwnLines)]:
            handler.removeFilter(earlier)  # of an earlier run of this process
        handler.addFilter(OwnLines(is_live=self.live is not None))
        if verbosity() < Verbosity.VERBOSE:
            handler.setFormatter(ShortLines())
        plain = Console(stderr=True, markup=False, highlight=False)
        handler.console = self.live.console if self.live is not None else plain  # type: ignore[attr-defined]

    def close(self) -> None:
        """Take the moving lines away."""
        self._after_import.close()
        if self.live is not None:
            self.live.stop()


@contextmanager
def display_run() -> Iterator[RunDisplay]:
    """Show a run on standard error for the length of the block."""
    if verbosity() < Verbosity.VERBOSE:
        for name, value in _NO_BARS.items():
            os.environ.setdefault(name, value)
    display = RunDisplay(_live_progress())
    display.show_phase("starting")
    try:
        yield display
    finally:
        display.close()


def _live_progress() -> LiveProgress | None:
    """Return the moving lines, started, where standard error is a terminal that a person watches."""
    if verbosity() == Verbosity.QUIET or not sys.stderr.isatty() or os.environ.get("CI"):
        return None
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False)
    if console.is_dumb_terminal:
        return None
    from reports.terminal.live_progress import LiveProgress

    live = LiveProgress(console)
    live.start()
    return live


class OwnLines(logging.Filter):
    """Lets through what Antiphon says; of Prefect's own lines, of which there are many, only warnings.

    An error ends the command, which prints it: the same from Prefect would be the second time.
    """

    def __init__(self, *, is_live: bool) -> None:
        super().__init__()
        self._is_live = is_live
        spec = find_spec("prefect")
        self._prefect = str(Path(spec.origin).parent) if spec is not None and spec.origin else "prefect"

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether it is to be printed."""
        is_prefects = record.pathname.startswith(self._prefect)
        if verbosity() == Verbosity.QUIET:
            return record.levelno >= logging.ERROR and not is_prefects
        if is_prefects and verbosity() == Verbosity.NORMAL:  # at its end it says what it has yet to send
            return record.levelno == logging.WARNING and "Still processing" not in str(record.msg)
        return not (self._is_live and getattr(record, "antiphon_progress", False))


class ShortLines(logging.Formatter):
    """The time and the message; a level that is not usual is named."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text."""
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {level}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
