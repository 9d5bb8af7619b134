"""What a replay keeps: what each node wrote when."""

from __future__ import annotations

from pydantic import Field

from components.records import Record


class Delta(Record):
    """What a node wrote at one step; it is never taken back.

    Attributes:
        step: number of the chunk that had been heard, from 0.
        units: words, or characters of languages without spaces.
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

    def delays(self, node: str, *, clock: bool) -> list[float]:
        """Return the delay of each unit that a node wrote: of the sound, or of the clock."""
        return [
            delta.clock if clock else delta.heard for delta in self.deltas.get(node, ()) for _ in delta.units
        ]
