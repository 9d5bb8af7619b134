"""A stream of sound or text, computed as a replay computes a recording."""

from __future__ import annotations

import hashlib
import math
import secrets
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from components.audio import SAMPLE_RATE
from components.records import Audio, NBest, NodeOutcome, Utterance
from components.serving.graph import ServedNode
from components.serving.service import Service
from components.simultaneous.records import Delta
from components.simultaneous.replay import PREFIXES, Replayer, Stream
from components.simultaneous.units import split_units
from components.simultaneous.writer import Writer, Written

T = TypeVar("T")
BYTES_PER_SECOND = 2 * SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class LiveReplayer(Replayer):
    """Lets nodes compute in their turn among the requests of a server."""

    service: Service

    @override
    def call(self, served: ServedNode, work: Callable[[], T]) -> T:
        """Let a node compute between two batches."""
        return self.service.call(served, partial(super().call, served, work))


class LiveStream(Stream):
    """What one speaker says.

    Args:
        replayer: how it is computed.
        languages: of what is said, and to translate into.
        tell: is told of each delta, in the thread that computes.

    Attributes:
        seconds: of sound that came.
        done: of them, how many are computed.
        is_cancelled: whether nobody waits for it any more.
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
            id=f"live-{secrets.token_hex(8)}",
            audio=nothing if hears else None,
            text=None if hears else "",
            source_language=languages[0],
            target_language=languages[1],
        )
        super().__init__(replayer, utterance)
        self.seconds, self.done, self.is_cancelled = 0.0, 0.0, False
        self._hears, self._chunk = hears, replayer.chunk
        self._has_news = False
        self._tell, self._folder = tell, replayer.service.spool
        self._file: Path | None = None
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

    @override
    def _take_down(self, name: str, delta: Delta) -> None:
        super()._take_down(name, delta)
        self._tell(name, delta)

    @override
    def _hear(self, writer: Writer, heard: float, step: int, *, is_last: bool) -> Written:
        if heard > writer.cut:  # the sound may end where it was cut
            yield from super()._hear(writer, heard, step, is_last=is_last)

    @override
    def _listen(self, start: float, seconds: float) -> Utterance:
        """Write a stretch of the sound into a file, which goes when it is computed."""
        first = round(start * SAMPLE_RATE) * 2 - self._forgotten
        samples = bytes(self._sound[first : first + max(1, round(seconds * SAMPLE_RATE)) * 2])
        self._file = path = self._folder / f"{self._utterance.id}-{secrets.token_hex(4)}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        audio = Audio(path=str(path), sha256=digest, seconds=seconds, sample_rate=SAMPLE_RATE)
        return self._utterance.model_copy(update={"audio": audio})

    @override
    def _source_of(self, writer: Writer, step: int, *, is_last: bool) -> list[str]:
        return super()._source_of(writer, step, is_last=True)

    @override
    def _compute(
        self, writer: Writer, utterance: Utterance, outcomes: Mapping[str, NodeOutcome]
    ) -> NBest | None:
        if self.is_cancelled:
            raise InterruptedError
        try:
            return super()._compute(writer, utterance, outcomes)
        finally:
            if self._file is not None:
                self._file.unlink(missing_ok=True)
