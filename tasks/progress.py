"""Progress of the nodes of a run: lines in a terminal, log lines, and an artifact for a long one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from components.text.counted_nouns import format_count
from reports.terminal.node_progress import NodeEnd, NodeProgress

_LOG_EVERY = 5.0  # seconds
_SHOW_EVERY = 2.0
_SHOW_AFTER = 10.0  # seconds until a stage counts as long and gets a progress bar
PROGRESS_RECORD = {"antiphon_progress": True}
"""What marks a log line as progress, which a terminal with live lines does not print as well."""


class Display(Protocol):
    """What shows progress as it happens; see :class:`reports.terminal.live_progress.LiveProgress`."""

    def show_phase(self, text: str) -> None:
        """Show what is done while no node computes."""

    def update(self, progress: NodeProgress) -> None:
        """Show the line of a node, and whatever becomes of it."""

    def end(self, ended: NodeEnd) -> None:
        """Show how a node has ended."""


_displays: list[Display] = []
"""The terminal of this process, if it has one."""


@contextmanager
def show_on(display: Display) -> Iterator[None]:
    """Show the progress of this process's runs on ``display``, too, during the block."""
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)


def show_phase(text: str) -> None:
    """Show and log what is done while no node computes."""
    for display in _displays:
        display.show_phase(text)
    get_run_logger().info("%s", text, extra=PROGRESS_RECORD)


def show_begin(progress: NodeProgress) -> NodeProgress:
    """Show a node that begins, and return its progress."""
    for display in _displays:
        display.update(progress)
    return progress


def show_end(ended: NodeEnd) -> None:
    """Show and log how a node has ended."""
    for display in _displays:
        display.end(ended)
    get_run_logger().info("%s", ended.describe(), extra=PROGRESS_RECORD)


class ShardSize(NamedTuple):
    """The size of a shard: its items, and the seconds of speech in them where the node reads speech."""

    items: float
    audio_seconds: float = 0.0


class ProgressBar:
    """A progress artifact, created when it is first shown."""

    def __init__(self, stage: str, description: str) -> None:
        self._key, self._description = f"{stage}-progress".replace("_", "-"), description
        self._id: UUID | None = None
        self._shown_at = 0.0

    def show(self, percent: float) -> None:
        """Set it to so many percent, every two seconds at most."""
        now = time.monotonic()
        if now - self._shown_at < _SHOW_EVERY and percent < 100:
            return
        self._shown_at = now
        if self._id is not None:
            update_progress_artifact(self._id, progress=percent)
            return
        artifact_id = create_progress_artifact(progress=percent, key=self._key, description=self._description)
        assert isinstance(artifact_id, UUID)
        self._id = artifact_id


class WholeProgress:
    """Shows how far a node is that is made in one piece, in percent."""

    def __init__(self, counts: NodeProgress, description: str) -> None:
        self._counts = show_begin(counts)
        self._bar = ProgressBar(counts.node, description)

    def show(self, percent: float) -> None:
        """Set it to so many percent."""
        self._counts.done = percent
        self._counts.count()
        self._bar.show(percent)


class Progress:
    """Counts the items of one stage and shows how far it is; also called by the threads that compute."""

    def __init__(self, counts: NodeProgress) -> None:
        self._counts = show_begin(counts)
        self._in_flight: dict[int, ShardSize] = {}
        self._lock = threading.Lock()
        self._log = get_run_logger()
        self._last_log = time.monotonic()
        self._bar = ProgressBar(counts.node, format_count(round(counts.total), "item"))

    def show_share(self, number: int, size: ShardSize, share: float) -> None:
        """Count a share of shard ``number``, which is being computed; what was shown is not taken back."""
        done = ShardSize(*(share * part for part in size))
        with self._lock:
            self._in_flight[number] = max(done, self._in_flight.get(number, done))
            self._add_up()
        self._log_if_due()

    def advance(self, number: int, size: ShardSize) -> None:
        """Count shard ``number``, which is finished."""
        with self._lock:
            self._in_flight.pop(number, None)
            self._counts.done += size.items
            self._counts.audio_seconds += size.audio_seconds
            self._add_up()
        self._log_if_due()
        share = self._counts.share
        if share is not None and self._counts.seconds > _SHOW_AFTER:
            self._bar.show(100 * share)

    def _add_up(self) -> None:
        shards = self._in_flight.values()
        self._counts.in_flight = sum(shard.items for shard in shards)
        self._counts.audio_in_flight = sum(shard.audio_seconds for shard in shards)
        self._counts.count()

    def _log_if_due(self) -> None:
        now = time.monotonic()
        if now - self._last_log >= _LOG_EVERY and self._counts.share != 1:  # the end has a line of its own
            self._last_log = now
            self._log.info("%s", self._counts.describe(), extra=PROGRESS_RECORD)
