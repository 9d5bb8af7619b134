"""What a transducer is to the search: one recording's frames, a prediction network, and a joint network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LogProbs = NDArray[np.float64]


class Transducer(Protocol):
    """A transducer with one recording encoded (Graves 2012; with durations: Xu et al. 2023, TDT).

    At a frame it writes a token or the blank. An RNN-T stays at the frame after a token and goes to the next
    one after the blank. A TDT goes on by a duration that it predicts independently of the token, after the
    blank by at least one frame.

    Attributes:
        blank: the token that stands for none.
        durations: the frames that a TDT may go on by; empty for an RNN-T.
        n_frames: T, the number of frames.
        max_symbols: tokens at one frame at most; after the last the search goes to the next frame.
    """

    blank: int
    durations: tuple[int, ...]
    n_frames: int
    max_symbols: int

    def start(self) -> Any:
        """Return the state of the prediction network before the first token."""

    def advance(self, states: Sequence[Any], tokens: Sequence[int]) -> list[Any]:
        """Return the states after one more token each."""

    def score(self, frame: int, states: Sequence[Any]) -> tuple[LogProbs, LogProbs]:
        """Return log-probabilities at a frame: of tokens (R, V) and of :attr:`durations` (R, D)."""


@dataclass(frozen=True)
class TransducerHypothesis:
    """A text with its alignment.

    Attributes:
        tokens: U tokens, without blanks.
        log_probs: U + 1 log-probabilities (nats): of every token given those before, the ratio of the
            probabilities of two prefixes over the alignments that were searched; and of the end.
        frames: at which frame each token is written, in the best alignment.
        spans: how many frames each token lasts there: its duration, 1 in an RNN-T.
        finished: whether the search came to the last frame.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    frames: tuple[int, ...]
    spans: tuple[int, ...]
    finished: bool = True

    @property
    def log_prob(self) -> float:
        """Log-probability of the text, summed over the alignments that were searched."""
        return sum(self.log_probs)


def steps_of(model: Transducer, is_blank: bool, log_probs: LogProbs) -> list[tuple[int, float]]:
    """Return the frames that a TDT or RNN-T may go on by after a token, with their log-probabilities.

    Args:
        model: the transducer.
        is_blank: whether the token is the blank.
        log_probs: of its durations (D,).
    """
    if not model.durations:
        return [(int(is_blank), 0.0)]
    steps: dict[int, float] = {}
    for duration, log_prob in zip(model.durations, log_probs.tolist(), strict=True):
        step = max(duration, int(is_blank))
        steps[step] = float(np.logaddexp(steps[step], log_prob)) if step in steps else log_prob
    return list(steps.items())
