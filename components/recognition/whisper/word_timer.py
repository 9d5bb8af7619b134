"""When the words of a window are said: an addition by an entry of ``antiphon.word_timers``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from components.compute.openai_whisper import Tokenizer
from components.decoding.candidates import Candidate
from components.errors import ConfigError
from components.extensions import Extensions, accept_any
from components.recognition.whisper.backend import TokenAlignment
from components.recognition.whisper.words.segments import TimedTokens
from components.records import Segment

ReadTexts = Callable[[Tensor], Iterable[Tensor]]
"""Texts (N, t) -> layer by layer the attention scores (N, h, t, T) of its h alignment heads."""


class WordTimer(Protocol):
    """What times the words of windows."""

    def read_attention(self, decoder: Any, texts: Tensor, *windows: Any) -> Iterator[Tensor]:
        """Run our decoder over whole texts (N, t): what :data:`ReadTexts` gives."""

    def align(
        self,
        read: ReadTexts,
        candidates: Sequence[Candidate],
        prompts: Tensor,
        frames: Sequence[int],
        tokenizer: Tokenizer,
        context: int,
    ) -> list[TokenAlignment]:
        """Align the texts of N windows to their audio."""

    def build_segments(
        self,
        pieces: Sequence[TimedTokens],
        alignment: TokenAlignment,
        tokenizer: Tokenizer,
        window: tuple[float, float],
        previous_end: float,
    ) -> list[Segment]:
        """Return the segments of a window with the times and probabilities of their words."""

    def hold(self, segments: Sequence[Segment], samples: NDArray[np.float32]) -> tuple[Segment, ...]:
        """Return segments whose words begin and end with the speech in the audio."""


WORD_TIMERS: Extensions[Any] = Extensions("antiphon.word_timers", "word timer", accept_any)


def find_word_timer() -> WordTimer:
    """Return the word timer that is installed. ConfigError where there is none."""
    timer: WordTimer | None = next(iter(WORD_TIMERS.values()), None)
    if timer is None:
        raise ConfigError("word_times: expected a word timer among the entry points, found none")
    return timer
