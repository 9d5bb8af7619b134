"""What a node has written of an input that grows, and what it works on."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.records import NBest
from components.serving.graph import ServedNode
from components.simultaneous.policies import Choice, Progress, Units, common_prefix
from components.simultaneous.records import Delta
from components.simultaneous.units import join_units, split_units


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
        known_before: of each of ``units``.
        shown: what the deltas so far amount to.
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
    known_before: list[float] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    @property
    def begun(self) -> Units:
        """What is written of the present window or sentence."""
        return self.progress.best[: self.progress.written] if self.progress.hypotheses else ()

    @property
    def all_units(self) -> list[str]:
        """Everything that is written."""
        return [*self.units, *self.begun]

    @property
    def stable(self) -> int:
        """How many of them stay."""
        return len(self.units) if self.policy.row.takes_back else len(self.all_units)

    @property
    def forced(self) -> str:
        """The text that the next hypothesis is to begin with."""
        return "" if self.policy.row.takes_back else join_units(self.begun, self.language)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing is written, and nothing of the input done with."""
        return not self.units and not self.progress.written and not self.cut

    def note(self, nbest: NBest, read: int, heard: float) -> None:
        """Take note of a hypothesis for the present prefix, of which what is written stays as it is."""
        before = self.progress.best if self.progress.hypotheses else ()
        lists = [split_units(h.text, self.language) for h in nbest.hypotheses]
        kept = () if self.policy.row.takes_back else self.begun
        extended: list[Units] = [[*kept, *units[len(kept) :]] for units in lists]
        self.progress.hypotheses.append(extended)
        self.progress.read = read
        self.progress.written = len(kept)
        same = common_prefix([before, extended[0]]) if before else 0
        self.known[same:] = [heard] * (len(extended[0]) - same)

    def commit(self, *, is_last: bool) -> None:
        """Write as much as the policy allows, or all."""
        progress = self.progress
        progress.written = len(progress.best) if is_last else self.policy.commit(progress)

    def close(self) -> None:
        """Begin a new window or sentence."""
        self.known_before += self.known[: len(self.begun)]
        self.units = self.all_units
        self.progress, self.known = Progress(), []

    def drop(self) -> None:
        """Forget the present sentence, which is no longer there."""
        self.progress, self.known, self.last_input = Progress(), [], ""

    def reopen(self, count: int) -> None:
        """Close the present window but for what it has written behind its first units: it is heard again."""
        rest, known = self.begun[count:], self.known[count : len(self.begun)]
        self.progress.written = count
        self.close()
        if rest:
            self.progress, self.known = Progress([[rest]], len(rest)), list(known)

    def take_delta(self, step: int, heard: float, clock: float) -> Delta | None:
        """Return what has been written, and taken back, since the delta before; None: nothing."""
        present, known = self.all_units, [*self.known_before, *self.known]
        same = common_prefix([self.shown, present])
        deleted, units = len(self.shown) - same, present[same:]
        self.shown = present
        if not deleted and not units:
            return None
        return Delta(
            step=step,
            units=tuple(units),
            heard=heard,
            clock=clock,
            known=tuple(known[same : len(present)]),
            deleted=deleted,
        )
