"""Long audio -> spans of at most 30 s that begin and end at pauses.

Speech is detected by Silero VAD. Spans are as long as the pauses allow: a model's accuracy grows with the
context, and one of Whisper's windows costs the same whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.audio import SAMPLE_RATE
from components.recognition.vad.silero import speech_probabilities

MAX_WINDOW_SECONDS = 30.0


@dataclass(frozen=True)
class Span:
    """A stretch of audio.

    Attributes:
        start: seconds from the start of the audio.
        end: seconds from the start of the audio.
        speech_end: where the last speech in it ends, in seconds, if that is known.
        voiced: false where voice activity detection is sure that nothing in it is speech.
        speech: beginning and end of each stretch of speech in it, in seconds, where they are known.
    """

    start: float
    end: float
    speech_end: float | None = None
    voiced: bool = True
    speech: tuple[tuple[float, float], ...] = ()

    def speech_within(self, start: float, end: float) -> float:
        """Return how many seconds of its speech are between two times."""
        return sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.speech)

    def part(self, start: float, end: float) -> Span:
        """Return the part of it between two times."""
        inside = ((max(a, start), min(b, end)) for a, b in self.speech)
        speech = tuple((a, b) for a, b in inside if a < b)
        speech_end = None if self.speech_end is None else min(end, self.speech_end)
        return Span(start, end, speech_end, self.voiced, speech)


THRESHOLD = 0.5
LEAVE_THRESHOLD = 0.35
MIN_SPEECH_SECONDS = 0.1
MIN_PAUSE_SECONDS = 0.2
MARGIN_SECONDS = 0.3
MIN_PEAK = 0.1
"""Quieter audio is amplified to this peak first: of speech at -50 dB the detector misses every second."""
SILENCE_PEAK = 10 ** (-70 / 20)
"""Peak below which audio is digital silence (-70 dB of full scale)."""


def find_speech(probabilities: Sequence[float] | NDArray[np.float32], chunk: float = 0.032) -> list[Span]:
    """Return stretches of speech by hysteresis: they begin above 0.5 and end below 0.35 for at least 0.2 s.

    Args:
        probabilities: of speech, one per chunk of audio.
        chunk: seconds that a probability stands for.
    """
    spans: list[Span] = []
    begin: float | None = None
    quiet: float | None = None
    for i, p in enumerate(probabilities):
        now = i * chunk
        if p >= THRESHOLD:
            begin, quiet = (now if begin is None else begin), None
        elif begin is not None and p < LEAVE_THRESHOLD:
            quiet = now if quiet is None else quiet
            if now - quiet >= MIN_PAUSE_SECONDS:
                spans.append(Span(begin, quiet))
                begin = quiet = None
    if begin is not None:
        spans.append(Span(begin, len(probabilities) * chunk if quiet is None else quiet))
    return [span for span in spans if span.end - span.start >= MIN_SPEECH_SECONDS]


def pack_speech(speech: Sequence[Span], seconds: float, longest: float = MAX_WINDOW_SECONDS) -> list[Span]:
    """Join ``speech`` into the longest spans of at most ``longest`` seconds; cut what is longer.

    The spans are in order, do not overlap, cover all of ``speech``, and reach up to 0.3 s into the pauses
    around it, at most to the middle of a pause.
    """
    wide = list(_widen(speech, seconds))
    packed: list[Span] = []
    for span in (piece for speech_span in wide for piece in cut(speech_span, longest)):
        if packed and span.end - packed[-1].start <= longest:
            stretches = (*packed[-1].speech, *span.speech)
            packed[-1] = Span(packed[-1].start, span.end, span.speech_end, speech=stretches)
        else:
            packed.append(span)
    return packed


def _widen(speech: Sequence[Span], seconds: float) -> Iterator[Span]:
    for i, span in enumerate(speech):
        before = (speech[i - 1].end + span.start) / 2 if i else 0.0
        after = (speech[i + 1].start + span.end) / 2 if i + 1 < len(speech) else max(seconds, span.end)
        end = min(after, span.end + MARGIN_SECONDS, max(seconds, span.end))
        start = max(before, span.start - MARGIN_SECONDS)
        yield Span(start, end, span.end, speech=((span.start, span.end),))


def cut(span: Span, longest: float = MAX_WINDOW_SECONDS) -> list[Span]:
    """Cut what is longer than ``longest`` seconds into equal parts, as speech without a pause."""
    parts = max(1, int(np.ceil((span.end - span.start) / longest - 1e-9)))
    edges = np.linspace(span.start, span.end, parts + 1).tolist()
    return [replace(span.part(a, b), speech_end=min(b, span.speech_end or b)) for a, b in pairwise(edges)]


def windows_of(samples: NDArray[np.float32], longest: float = MAX_WINDOW_SECONDS) -> list[Span]:
    """Return the spans of ``samples`` (mono, 16 kHz) to recognize, each of at most ``longest`` seconds.

    All of the audio when it fits one window, otherwise its speech: nothing when long audio has none.
    """
    seconds = len(samples) / SAMPLE_RATE
    probabilities = detect_speech(samples)
    if seconds <= longest:
        return [Span(0.0, seconds, voiced=bool((probabilities >= LEAVE_THRESHOLD).any()))]
    spans = pack_speech(find_speech(probabilities), seconds, longest)
    return [replace(span, end=min(span.end, seconds)) for span in spans if span.start < seconds]


def detect_speech(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of speech in each 32 ms of ``samples``, which may be quiet."""
    peak = float(np.abs(samples).max(initial=0.0))
    return speech_probabilities(samples * np.float32(max(1.0, MIN_PEAK / peak) if peak else 1.0))


def is_silent(samples: NDArray[np.float32]) -> bool:
    """Return whether nothing louder than -70 dB of full scale is in ``samples``."""
    return len(samples) == 0 or float(np.abs(samples).max()) < SILENCE_PEAK
