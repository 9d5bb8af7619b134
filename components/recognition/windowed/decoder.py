"""What decodes windows of audio, whatever the family of the model: the interface, what goes in and out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from pydantic import TypeAdapter

from components.audio import SAMPLE_RATE, Samples
from components.errors import RecordError
from components.recognition.vad.windows import MAX_WINDOW_SECONDS, Span, cut, windows_of
from components.recognition.windowed.request import Request
from components.records import NBest, Token, Utterance, Word

Result = TypeVar("Result")


@dataclass(frozen=True)
class Window:
    """A stretch of audio and what is to be written of it.

    Attributes:
        samples: mono, 16 kHz, in [-1, 1].
        request: what is to be written.
    """

    samples: Samples
    request: Request


@dataclass(frozen=True)
class WindowHypothesis:
    """One candidate text of a window.

    Attributes:
        text: without spaces around it.
        score: log-probability (nats).
        rank: what the candidates are ordered by, as a length-normalized score; higher is better.
        tokens: with their log-probabilities.
        words: with times in seconds from the start of the window, where the model says.
        finished: whether it ended by itself, not at the length limit.
    """

    text: str
    score: float
    rank: float
    tokens: tuple[Token, ...] = ()
    words: tuple[Word, ...] = ()
    finished: bool = True


def pad_samples(samples: Samples, seconds: float) -> Samples:
    """Return ``samples`` with silence behind them up to so many seconds."""
    return np.pad(samples, (0, max(0, int(seconds * SAMPLE_RATE) - len(samples))))


class WindowDecoder(ABC, Generic[Result]):
    """A model that recognizes windows of audio one by one or in batches.

    Attributes:
        max_seconds: longest window that it reads.
        min_seconds: shorter windows are padded with silence: convolutions need some samples to give a state.
        language: the only one that it knows; None where it knows several, or does not say.
        is_remote: whether a server computes: it takes all windows at once, in any languages, and its answers
            are kept as they come.
        form: of the results of a batch, as the journal of windows keeps them; not of one that ``is_remote``.
    """

    max_seconds: float = MAX_WINDOW_SECONDS
    min_seconds: float = 0.2
    language: str | None = None
    is_remote: bool = False
    form: TypeAdapter[list[Result]]

    def check(self, request: Request) -> None:
        """Refuse what the model cannot write: its languages, its task. DataError."""

    def find_spans(self, samples: Samples, vad: bool) -> list[Span]:
        """Return the stretches of a recording that are decoded, in order.

        Args:
            samples: mono, 16 kHz, not silent.
            vad: whether only stretches with voice are.
        """
        longest = self.max_seconds
        if not vad and not self.is_remote:
            return cut(Span(0.0, len(samples) / SAMPLE_RATE), longest)
        # A server's long windows end at pauses in any case.
        return [span for span in windows_of(samples, longest) if span.voiced or not vad]

    @abstractmethod
    def decode(self, windows: Sequence[Window]) -> Sequence[Result | RecordError]:
        """Return what each window of a batch gives, or what is wrong with that window alone.

        Args:
            windows: of one target language, unless the model ``is_remote``.

        Raises:
            ModelError: A window cannot be decoded; the batch is then tried in parts.
        """

    @abstractmethod
    def join(
        self, utterance: Utterance, windows: Sequence[tuple[Span, Result]], system: str, n: int
    ) -> NBest:
        """Return the n-best list of an utterance.

        Args:
            utterance: what was recognized.
            windows: their times in the recording, in order, and what they gave; none where all is silence.
            system: names the recognizer in the hypotheses.
            n: hypotheses at most.
        """
