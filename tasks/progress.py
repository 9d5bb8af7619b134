"""Progress of a stage: log lines, and a progress artifact for a long one."""

from __future__ import annotations

import time
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from reports.formatting import format_duration

_LOG_EVERY = 5.0  # seconds
_SHOW_AFTER = 10.0  # seconds until a stage counts as long and gets a progress bar


class ProgressBar:
    """A progress artifact, created when it is first shown."""

    def __init__(self, stage: str, description: str) -> None:
        self._key, self._description = f"{stage}-progress".replace("_", "-"), description
        self._id: UUID | None = None

    @property
    def is_shown(self) -> bool:
        """Whether it was created."""
        return self._id is not None

    def show(self, percent: float) -> None:
        """Set it to so many percent."""
        if self._id is not None:
            update_progress_artifact(self._id, progress=percent)
            return
        artifact_id = create_progress_artifact(progress=percent, key=self._key, description=self._description)
        assert isinstance(artifact_id, UUID)
        self._id = artifact_id


class Progress:
    """Counts the items of one stage and logs how far it is.

    Args:
        stage: its name.
        total: items at most.
    """

    def __init__(self, stage: str, total: int) -> None:
        self._stage = stage
        self._total = total
        self._finished = self._finished_before = 0
        self._log = get_run_logger()
        self._start_time = self._last_log = time.monotonic()
        self._bar = ProgressBar(stage, f"{total} items")

    def skip(self, items: int) -> None:
        """Count ``items`` that an earlier attempt finished."""
        self._finished += items
        self._finished_before += items

    def advance(self, items: int) -> None:
        """Count ``items`` more that are finished."""
        self._finished += items
        now = time.monotonic()
        if now - self._last_log < _LOG_EVERY and self._finished < self._total:
            return
        self._last_log = now
        rate = (self._finished - self._finished_before) / max(now - self._start_time, 1e-9)
        share = 100.0 * self._finished / max(self._total, 1)
        is_known = rate > 0 and self._finished < self._total
        rest = f", about {format_duration((self._total - self._finished) / rate)} left" if is_known else ""
        self._log.info(
            "%s: %d of %d items (%.0f%%), %.1f items/s%s",
            *(self._stage, self._finished, self._total, share, rate, rest),
        )
        if now - self._start_time > _SHOW_AFTER or self._bar.is_shown:
            self._bar.show(share)
