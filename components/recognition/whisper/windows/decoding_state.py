"""What the recognizer keeps of an utterance while it decodes it: spans, present window, results so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.audio import SAMPLE_RATE
from components.decoding.candidates import Candidate
from components.decoding.constraints.guidance import Beginning
from components.recognition.vad.windows import Span
from components.recognition.whisper.backend import TokenAlignment
from components.recognition.whisper.windows import features
from components.records import Utterance


@dataclass(frozen=True)
class DecodedWhisperWindow:
    """The result of one window.

    Attributes:
        start: seconds from the start of the utterance.
        frames: frames of 10 ms of audio in it.
        candidates: its texts, best first.
        no_speech: the model's probability that nothing is said in it.
        temperature: at which it was decoded.
        is_silence: whether it is taken for silence.
        accepted: whether its best text passes every check; otherwise it is decoded again, hotter.
        alignment: of its best text, where words are timed.
    """

    start: float
    frames: int
    candidates: list[Candidate]
    no_speech: float
    temperature: float
    is_silence: bool
    accepted: bool = True
    alignment: TokenAlignment | None = None


@dataclass(frozen=True)
class KeptWindow:
    """What an interrupted recognition needs of a window: its result, and the language of its utterance."""

    window: DecodedWhisperWindow
    language: str | None
    language_probability: float | None


@dataclass
class UtteranceState:
    """An utterance that is being recognized.

    Attributes:
        index: its place in the list that the recognizer was given.
        utterance: the record.
        samples: its audio, mono, 16 kHz.
        language: Whisper's code; None until it is detected.
        language_probability: of the language, 0 to 1, where it was detected.
        open_streams: streams of it that have windows left.
        windows: what was decoded so far.
        begun: what its first window's text begins with.
        attends: whether the best texts are aligned, so that it is known what they attend to.
    """

    index: int
    utterance: Utterance
    samples: NDArray[np.float32]
    language: str | None
    language_probability: float | None = None
    open_streams: int = 0
    windows: list[DecodedWhisperWindow] = field(default_factory=list)
    begun: Beginning | None = None
    attends: bool = False

    @property
    def decoded_seconds(self) -> float:
        """Seconds of its audio in the windows that are decoded; those that overlap count twice."""
        seconds = sum(window.frames for window in self.windows) / features.FRAMES_PER_SECOND
        return min(seconds, len(self.samples) / SAMPLE_RATE)


@dataclass
class WindowStream:
    """Spans of an utterance that are decoded one after the other, window by window.

    Attributes:
        state: the utterance.
        spans: the spans that are left; the present window is in the first.
        is_first: whether it is the utterance's first stream, which detects the language.
        seek: frame (10 ms) of the present span at which the present window begins.
        previous: tokens of the text before, where windows are conditioned on it.
        is_cut: whether a window was cut in two, so that windows begin where others did.
    """

    state: UtteranceState
    spans: list[Span]
    is_first: bool
    seek: int = 0
    previous: list[int] = field(default_factory=list)
    is_cut: bool = False
    _mel: Tensor | None = None

    def mel(self, n_mels: int) -> Tensor:
        """Return features (n_mels, 3000) of the present window."""
        if self._mel is None:
            self._mel = features.compute_log_mel(self.samples, n_mels)
        return features.cut_window(self._mel, self.seek)

    @property
    def samples(self) -> NDArray[np.float32]:
        """The audio of the present span."""
        a, b = (round(t * SAMPLE_RATE) for t in (self.spans[0].start, self.spans[0].end))
        return self.state.samples[a:b]

    @property
    def is_decodable(self) -> bool:
        """Whether its language is known, or detected by it."""
        return self.state.language is not None or self.is_first

    @property
    def fits_window(self) -> bool:
        """Whether the present span is no longer than a window."""
        return self._frames_left() + self.seek <= features.WINDOW_FRAMES

    @property
    def begun(self) -> Beginning | None:
        """What the present window's text begins with."""
        return self.state.begun if self.is_first and not self.state.windows else None

    @property
    def frames(self) -> int:
        """Frames of audio in the present window."""
        return min(features.WINDOW_FRAMES, self._frames_left())

    @property
    def start(self) -> float:
        """Seconds from the start of the utterance to the present window."""
        return self.spans[0].start + self.seek / features.FRAMES_PER_SECOND

    @property
    def name(self) -> str:
        """Names the present window, whatever batch it is in."""
        until = f"-{self.spans[0].end:.2f}" if self.is_cut else ""
        return f"{self.state.utterance.id}@{self.start:.2f}{until}"

    @property
    def key(self) -> int:
        """Names the window for random streams."""
        return int.from_bytes(self.name.encode(), "big")

    @property
    def knows_speech(self) -> bool:
        """Whether it is known where the speech of the present span ends."""
        return self.spans[0].speech_end is not None

    def speech_after(self, seconds: float) -> float:
        """Return seconds of speech left in the span ``seconds`` after the window's start; 0: unknown."""
        speech = self.spans[0].speech_end
        return 0.0 if speech is None else speech - self.start - seconds

    def cut(self, seconds: float) -> None:
        """Make two spans of the present one, the first of which ends ``seconds`` after the window's start."""
        span, at = self.spans[0], self.start + seconds
        self.spans = [span.part(span.start, at), span.part(at, span.end), *self.spans[1:]]
        self.is_cut, self._mel = True, None

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


def compute_mels(streams: Sequence[WindowStream], n_mels: int, device: torch.device) -> None:
    """Compute the features of those present spans that have none yet, on ``device``, in one transform."""
    fresh = [stream for stream in streams if stream._mel is None]
    if fresh:
        mels = features.compute_log_mels([stream.samples for stream in fresh], n_mels, device)
        for stream, mel in zip(fresh, mels, strict=True):
            stream._mel = mel
