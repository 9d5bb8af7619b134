"""How far a node is, in numbers and as text: what the live lines and the log lines of a run are made from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from components.analysis.formatting import format_duration, format_seconds

_LEAST_RATE = 0.05
"""Records a second that are worth a word: fewer would be 0.0."""
_LEAST_SHARE = 0.1
"""Of the work: what is done of it at the first count says how long the rest takes."""


@dataclass
class NodeProgress:
    """What a node has done of its work, since when.

    Attributes:
        node: its name.
        total: utterances at most; 100 where ``is_percentage``.
        is_percentage: whether the node is made in one piece, which says percent only.
        done: finished ones, those of an earlier attempt included.
        seen: utterances of the data set up to the shard that was gathered last.
        left_out: those of them that it does not get: they went another way, or something before failed.
        resumed: those of an earlier attempt, which say nothing about the speed.
        in_flight: of what is being computed, what its component says is done.
        audio_seconds: seconds of speech in what this attempt has done.
        audio_total: seconds of speech in all utterances, of a node that reads it: what is left is told by
            them, since a talk and a greeting are one record each.
        audio_resumed: those of an earlier attempt.
        worked: seconds of computing so far, without waiting for other nodes or for the device; of a node that
            calls ``begin_work``.
        clock: seconds that only rise.
    """

    node: str
    total: float
    is_percentage: bool = False
    done: float = 0.0
    seen: int = 0
    left_out: int = 0
    resumed: float = 0.0
    in_flight: float = 0.0
    audio_seconds: float = 0.0
    audio_in_flight: float = 0.0
    audio_total: float = 0.0
    audio_resumed: float = 0.0
    worked: float | None = None
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(init=False)
    counted_seconds: float = field(default=1e-9, init=False)
    _working_since: float | None = field(default=None, init=False)
    _first_count: tuple[float, float] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started_at = self.clock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count the time of the block as work; what lies between such blocks is waiting."""
        self._working_since = self.clock()
        try:
            yield
        finally:
            self.worked, self._working_since = self.seconds, None

    def count(self) -> None:
        """Note that what is done has changed just now: speeds are told from here."""
        if self.worked is None and self._working_since and self.done + self.in_flight <= self.resumed:
            self._working_since = self.clock()  # nothing is done yet: models were loaded until now
        self.counted_seconds = self.seconds
        if self._first_count is None and self._work[1] > 0:
            self._first_count = self.counted_seconds, self._work[1]

    def gather(self, utterances: int, items: int) -> None:
        """Note a further slice of the data set, and how many of its utterances the node gets."""
        self.seen += utterances
        self.left_out += utterances - items

    def skip(self, items: int, audio_seconds: float = 0.0) -> None:
        """Count items, and the speech in them, that an earlier attempt, or another run, has finished."""
        self.done += items
        self.resumed += items
        self.audio_resumed += audio_seconds

    @property
    def expected(self) -> float | None:
        """Utterances that it gets; None while it has not got all so far, and more may follow."""
        return self.total - self.left_out if not self.left_out or self.seen >= self.total else None

    @property
    def seconds(self) -> float:
        """Seconds at work, where that is counted, else since it began."""
        if self.worked is None and self._working_since is None:
            return max(self.clock() - self.started_at, 1e-9)
        present = 0.0 if self._working_since is None else self.clock() - self._working_since
        return max((self.worked or 0.0) + present, 1e-9)

    @property
    def _work(self) -> tuple[float, float, float]:
        """What an earlier attempt has done, what this one has, what is left: of speech, in its seconds."""
        if self.audio_total and not self.left_out:
            done = self.audio_seconds + self.audio_in_flight
            return self.audio_resumed, done, self.audio_total - self.audio_resumed - done
        done = self.done + self.in_flight
        return self.resumed, done - self.resumed, (self.expected or 0.0) - done

    @property
    def share(self) -> float | None:
        """The share of the work that is done, from 0 to 1; None while it is not known how much there is."""
        if self.expected is None:
            return None
        resumed, done, left = self._work
        return (resumed + done) / (resumed + done + left) if left > 0 else 1.0

    @property
    def rate(self) -> float:
        """Utterances (or percent) in a second of this attempt."""
        return (self.done + self.in_flight - self.resumed) / self.counted_seconds

    @property
    def audio_rate(self) -> float:
        """Seconds of speech in a second of this attempt."""
        return (self.audio_seconds + self.audio_in_flight) / self.counted_seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the pace since the first count, before which much loads once.

        None where there is nothing to tell it from: the first count alone must be a tenth of all.
        """
        _, done, rest = self._work
        seconds = self.counted_seconds
        if self._first_count is not None and done > self._first_count[1]:
            seconds, done = seconds - self._first_count[0], done - self._first_count[1]
        elif done < _LEAST_SHARE * (done + rest):
            return None
        if done <= 0 or rest <= 0:
            return None
        left = max(rest * seconds / done - (self.seconds - self.counted_seconds), 1.0)
        return left if left < float("inf") else None

    def describe_count(self) -> str:
        """Return how much is done, and of how much where that is known."""
        if self.is_percentage:
            return f"{self.done:.0f}%"
        count = f"{int(self.done + self.in_flight):,}"
        return f"{count} done" if self.expected is None else f"{count} of {int(self.expected):,}"

    def describe_rates(self) -> str:
        """Records and seconds of speech in a second; empty while there is nothing to tell them from."""
        if self.is_percentage or self.rate <= 0:
            return ""
        records = [f"{self.rate:.1f} records/s"] if self.rate >= _LEAST_RATE else []
        return ", ".join(
            [*records, *([f"{self.audio_rate:.1f} s of speech/s"] if self.audio_rate > 0 else [])]
        )

    def describe_rest(self) -> str:
        """Return how long it will take; empty where that is not known."""
        left = self.seconds_left
        return "" if left is None else f"{format_duration(left)} left"

    def describe(self) -> str:
        """Return all of it in a line, as for a log."""
        share = "" if self.is_percentage or self.share is None else f" ({100 * self.share:.0f}%)"
        parts = (self.describe_count() + share, self.describe_rates(), self.describe_rest())
        return f"{self.node}: " + ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class NodeEnd:
    """What became of a node.

    Attributes:
        node: its name.
        status: computed, reused, skipped, failed or blocked.
        progress: what it has done, if it began to compute.
        items: records that it read.
        quarantined: those that it quarantined.
        error: why it failed.
        seconds: that it computed, as its stage states them.
    """

    node: str
    status: str
    progress: NodeProgress | None = None
    items: int = 0
    quarantined: int = 0
    error: str = ""
    seconds: float = 0.0

    def describe_work(self) -> str:
        """Return what was done, how fast."""
        if self.status in {"failed", "blocked"}:
            return ": ".join(part for part in (self.status, self.error) if part)
        count = f"{self.items:,} record{'s' * (self.items != 1)}" if self.items else ""
        speed = self._describe_speed() if self.status == "computed" else ()
        return ", ".join(part for part in (self.status, count, *speed) if part)

    def _describe_speed(self) -> Iterator[str]:
        """Yield how long it computed and, where that was a second or more, its rates."""
        if not self.seconds or self.progress is None:
            return
        yield format_seconds(self.seconds) if self.seconds < 10 else format_duration(self.seconds)
        if self.seconds >= 1 and not self.progress.is_percentage:
            if self.items / self.seconds >= _LEAST_RATE:
                yield f"{self.items / self.seconds:.1f} records/s"
            if self.progress.audio_seconds and not self.progress.resumed:
                yield f"{self.progress.audio_seconds / self.seconds:.1f} s of speech/s"

    def describe(self) -> str:
        """Return all of it in a line, as for a log."""
        quarantined = f", {self.quarantined:,} quarantined" if self.quarantined else ""
        return f"{self.node}: {self.describe_work()}{quarantined}"
