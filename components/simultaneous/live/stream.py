"""A stream of sound or text, computed as a replay computes a recording."""

from __future__ import annotations

import hashlib
import math
import threading
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from components.audio import SAMPLE_RATE
from components.records import Audio, Utterance
from components.serving.graph import ServedNode
from components.serving.service import Service
from components.simultaneous.records import Delta
from components.simultaneous.replay import Replayer, Stream
from components.simultaneous.requirements import PREFIXES
from components.simultaneous.units import split_units
from components.simultaneous.writer import Writer

T = TypeVar("T")
BYTES_PER_SECOND = 2 * SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class LiveReplayer(Replayer):
    """Lets the nodes of one stream compute in their turn among the requests of a server.

    Attributes:
        service: of the server.
        is_cancelled: set when nobody waits for the stream any more.
        sound: file of what a node is to hear, which goes when it has.
    """

    service: Service
    is_cancelled: threading.Event = field(default_factory=threading.Event)
    sound: Path = Path()

    @override
    def call(self, served: ServedNode, work: Callable[[], T]) -> T:
        """Let a node compute between two batches."""
        try:
            if self.is_cancelled.is_set():
                raise InterruptedError
            return self.service.call(served, partial(super().call, served, work))
        finally:
            self.sound.unlink(missing_ok=True)


class LiveStream(Stream):
    """What one speaker says.

    Args:
        replayer: how it is computed; of this stream alone.
        languages: of what is said, and to translate into.
        tell: is told of each delta, in the thread that computes.

    Attributes:
        seconds: of sound that came.
        done: of them, how many are computed.
    """

    def __init__(
        self,
        replayer: LiveReplayer,
        languages: tuple[str, str | None],
        tell: Callable[[str, Delta], object],
    ) -> None:
        hears = replayer.graph.hears
        nothing = Audio(path="live", sha256="0" * 64, seconds=1, sample_rate=SAMPLE_RATE)
        utterance = Utterance(
            id=replayer.sound.stem,
            audio=nothing if hears else None,
            text=None if hears else "",
            source_language=languages[0],
            target_language=languages[1],
        )
        super().__init__(replayer, utterance)
        self.seconds, self.done = 0.0, 0.0
        self._hears, self._chunk, self._file = hears, replayer.chunk, replayer.sound
        self._has_news, self._tell = False, tell
        self._sound, self._forgotten, self._bytes = bytearray(), 0, 0

    def language_of(self, name: str) -> str:
        """Return the language of a node's texts."""
        return self._writers[name].language

    def add_sound(self, samples: bytes) -> None:
        """Take samples: 16 kHz, mono, 16 bit, little-endian."""
        self._sound += samples
        self._bytes += len(samples)
        self.seconds = self._bytes / BYTES_PER_SECOND

    def add_text(self, text: str) -> None:
        """Take words."""
        self._source += split_units(text, self._utterance.source_language)
        self._has_news = True

    def next_step(self, clock: float, *, ended: bool, skip: bool = False) -> tuple[float, bool] | None:
        """Return how many seconds the next step hears, and whether it is the last; None: too few came yet.

        Args:
            clock: seconds since the first sound or word came.
            ended: whether all is there.
            skip: whether a step takes all chunks that came.
        """
        if not self._hears:
            return (clock, ended) if ended or self._has_news else None
        number = math.floor(self.done / self._chunk + 1e-6) + 1
        if skip:
            number = max(number, math.floor(self.seconds / self._chunk + 1e-6))
        heard = number * self._chunk
        if ended and heard >= self.seconds - 1e-6:
            return self.seconds, True
        return (heard, False) if heard <= self.seconds + 1e-6 else None

    def advance(self, heard: float, clock: float, *, is_last: bool) -> None:
        """Compute a step; see :meth:`Stream.step`. Sound that no node needs any more is forgotten."""
        self._has_news = False
        if heard or not self._hears:  # else nothing came
            self.step(heard, clock, is_last=is_last)
        self.done = heard
        cuts = [w.cut for w in self._writers.values() if PREFIXES[w.served.node.kind.name] == "speech"]
        done = round(min(cuts, default=0.0) * SAMPLE_RATE) * 2 - self._forgotten
        del self._sound[:done]
        self._forgotten += done
        self._file.unlink(missing_ok=True)  # of a node that had nothing to do

    @override
    def _take_down(self, name: str, delta: Delta) -> None:
        super()._take_down(name, delta)
        self._tell(name, delta)

    @override
    def _listen(self, start: float, seconds: float) -> Utterance:
        """Write a stretch of the sound into a file; one without sound gets a moment of silence."""
        first, count = round(start * SAMPLE_RATE) * 2 - self._forgotten, round(seconds * SAMPLE_RATE) * 2
        samples = bytes(self._sound[first : first + count]) or bytes(BYTES_PER_SECOND // 100)
        with wave.open(str(self._file), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples)
        digest, length = hashlib.sha256(self._file.read_bytes()).hexdigest(), len(samples) / BYTES_PER_SECOND
        audio = Audio(path=str(self._file), sha256=digest, seconds=seconds or length, sample_rate=SAMPLE_RATE)
        return self._utterance.model_copy(update={"audio": audio})

    @override
    def _source_of(self, writer: Writer, step: int, *, is_last: bool) -> tuple[list[str], int]:
        return super()._source_of(writer, max(step, len(self._source)), is_last=is_last)
