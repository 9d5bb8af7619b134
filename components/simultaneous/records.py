"""What a replay keeps: what each node wrote when."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from components.records import Record


class Delta(Record):
    """What a node wrote at one step.

    Attributes:
        step: number of the chunk that had been heard, from 0.
        units: words, or characters of languages without spaces.
        deleted: how many of the last units before were taken back first; 0 of policies that append.
        heard: seconds of sound that had been heard.
        clock: seconds since the sound began, at which it was written, if the sound comes as it is spoken and
            each step begins when the one before has ended.
        known: of each unit, after how many seconds of sound the node first had it in this place, for good.
    """

    step: int = Field(ge=0)
    units: tuple[str, ...]
    heard: float = Field(ge=0)
    clock: float = Field(ge=0)
    known: tuple[float, ...]
    deleted: int = Field(default=0, ge=0)


class Written(NamedTuple):
    """A unit that stayed.

    Attributes:
        unit: it.
        known: after how many seconds of sound the node first had it in this place, for good.
        delta: when it was written.
    """

    unit: str
    known: float
    delta: Delta


class Step(Record):
    """A step of a replay.

    Attributes:
        heard: seconds of sound so far.
        seconds: of computing, by node.
    """

    heard: float = Field(ge=0)
    seconds: dict[str, float]


class Replay(Record):
    """A recording that was replayed.

    Attributes:
        utterance_id: of it.
        seconds: its length.
        steps: of the replay.
        deltas: node -> what it wrote.
        texts: node -> its final text.
        fault: why it could not be replayed; empty otherwise.
    """

    utterance_id: str
    seconds: float = Field(ge=0)
    steps: tuple[Step, ...] = ()
    deltas: dict[str, tuple[Delta, ...]] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)
    fault: str = ""

    def written(self, node: str) -> list[Written]:
        """Return the units of a node that were not taken back, in order."""
        stayed: list[Written] = []
        for delta in self.deltas.get(node, ()):
            del stayed[len(stayed) - delta.deleted :]
            stayed += [Written(*each, delta) for each in zip(delta.units, delta.known, strict=True)]
        return stayed

    def delays(self, node: str, *, clock: bool) -> list[float]:
        """Return the delay of each unit that stayed: of the sound, or of the clock."""
        return [each.delta.clock if clock else each.delta.heard for each in self.written(node)]

    def erased(self, node: str) -> int:
        """Return how many units a node took back."""
        return sum(delta.deleted for delta in self.deltas.get(node, ()))
