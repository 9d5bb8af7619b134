"""One utterance on its way through the recogniser: its spans, the windows in them, what was heard so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from components.decoding.candidates import Candidate
from components.recognition.vad.windows import SAMPLE_RATE, Span
from components.recognition.whisper import features
from components.records import Utterance


@dataclass(frozen=True)
class DecodedWindow:
    """What was heard in one window: ``start`` in seconds of the utterance, ``frames`` of 10 ms in it.

    ``loops``: its text repeats itself; ``passed``: no guard asks for another attempt.
    """

    start: float
    frames: int
    candidates: list[Candidate]
    no_speech: float
    temperature: float
    is_silence: bool
    is_repetitive: bool = False
    accepted: bool = True


@dataclass
class UtteranceState:
    """An utterance being recognised. ``language`` is None until it is detected."""

    index: int
    utterance: Utterance
    samples: NDArray[np.float32]
    language: str | None
    open_streams: int = 0
    windows: list[DecodedWindow] = field(default_factory=list)


@dataclass
class WindowStream:
    """Spans of a job that are decoded one after the other; ``seek`` is a frame of the present span."""

    state: UtteranceState
    spans: list[Span]
    is_first: bool
    seek: int = 0
    previous: list[int] = field(default_factory=list)
    _mel: Tensor | None = None

    def mel(self, n_mels: int) -> Tensor:
        """Features (n_mels, 3000) of the present window."""
        if self._mel is None:
            a, b = (round(t * SAMPLE_RATE) for t in (self.spans[0].start, self.spans[0].end))
            self._mel = features.compute_log_mel(self.state.samples[a:b], n_mels)
        return features.cut_window(self._mel, self.seek)

    @property
    def frames(self) -> int:
        """Frames of audio in the present window."""
        return min(features.WINDOW_FRAMES, self._frames_left())

    @property
    def start(self) -> float:
        """Seconds from the start of the utterance to the present window."""
        return self.spans[0].start + self.seek / features.FRAMES_PER_SECOND

    @property
    def key(self) -> int:
        """Names the window for random streams, whatever batch it is in."""
        return int.from_bytes(f"{self.state.utterance.id}@{self.start:.2f}".encode(), "big")

    def speech_after(self, seconds: float) -> float:
        """By how long speech goes on in the span ``seconds`` after the start of the window; 0 if unknown."""
        speech = self.spans[0].speech_end
        return 0.0 if speech is None else speech - self.start - seconds

    def advance(self, frames: int) -> bool:
        """Go on by ``frames``; False when all spans are done."""
        self.seek += max(frames, 1)
        if self._frames_left() <= 0:
            self.spans, self.seek, self._mel = self.spans[1:], 0, None
        return bool(self.spans)

    def _frames_left(self) -> int:
        span = self.spans[0]
        samples = round(span.end * SAMPLE_RATE) - round(span.start * SAMPLE_RATE)
        return samples * features.FRAMES_PER_SECOND // SAMPLE_RATE - self.seek
