"""What a node has written of an input that grows, and what it works on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from components.records import NBest
from components.serving.graph import ServedNode
from components.simultaneous.policies import Choice, Progress, Units, common_prefix
from components.simultaneous.units import split_units

Written = Iterator[tuple[str, float]]
"""Units that are written, and after how many seconds of sound each was known."""


@dataclass
class Writer:
    """What a node has written, and what it works on.

    Attributes:
        served: the node.
        policy: of it.
        language: of its texts.
        progress: of the present window or sentence.
        units: written before that.
        cut: seconds (speech), or units of the source (text), that are done with.
        last_input: text that it translated last.
        text: the final text, where the node saw the whole input at once.
        known: of each unit of the present hypothesis, since how many seconds of sound it has been there.
    """

    served: ServedNode
    policy: Choice
    language: str
    progress: Progress = field(default_factory=Progress)
    units: list[str] = field(default_factory=list)
    cut: float = 0.0
    last_input: str = ""
    text: str | None = None
    known: list[float] = field(default_factory=list)

    @property
    def all_units(self) -> list[str]:
        """Everything that is written."""
        done = self.progress.best[: self.progress.written] if self.progress.hypotheses else []
        return [*self.units, *done]

    @property
    def is_untouched(self) -> bool:
        """Whether nothing is written, and nothing of the input done with."""
        return not self.units and not self.progress.written and not self.cut

    def note(self, nbest: NBest, read: int, heard: float) -> None:
        """Take note of a hypothesis for the present prefix, of which what is written stays as it is."""
        before = self.progress.best if self.progress.hypotheses else ()
        lists = [split_units(h.text, self.language) for h in nbest.hypotheses]
        written = list(self.all_units[len(self.units) :])
        extended: list[Units] = [[*written, *units[len(written) :]] for units in lists]
        self.progress.hypotheses.append(extended)
        self.progress.read = read
        self.progress.written = len(written)
        same = common_prefix([before, extended[0]]) if before else 0
        self.known[same:] = [heard] * (len(extended[0]) - same)

    def commit(self, *, is_last: bool) -> Written:
        """Yield the units that are written now, with when each was known: as the policy allows, or all."""
        progress = self.progress
        before = progress.written
        progress.written = len(progress.best) if is_last else self.policy.commit(progress)
        for position in range(before, progress.written):
            yield progress.best[position], self.known[position]

    def close(self) -> None:
        """Begin a new window or sentence."""
        self.units = self.all_units
        self.progress, self.known = Progress(), []
