"""Confidences beside what became of what they were given to: the trials that a confidence is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.metrics.statistics.bootstrap import Estimate, FloatArray, bootstrap_interval


@dataclass(frozen=True, eq=False)
class Trials:
    """One trial per word or per utterance; trials of one utterance are resampled together.

    Attributes:
        confidence: (n); higher is surer. A probability, or any number that orders.
        loss: (n); 0 for what is right and 1 for what is wrong, or an amount such as WER in percent.
        utterance: (n); the number of the utterance that each trial is of, from 0.
        n_utterances: among them utterances without a trial (no word was recognized).
    """

    confidence: FloatArray
    loss: FloatArray
    utterance: NDArray[np.intp]
    n_utterances: int

    @cached_property
    def is_binary(self) -> bool:
        """Whether trials are right or wrong and nothing in between."""
        return bool(np.isin(self.loss, (0.0, 1.0)).all())

    @property
    def has_probabilities(self) -> bool:
        """Whether confidences may be read as probabilities of being right."""
        return bool(((self.confidence >= 0) & (self.confidence <= 1)).all())

    def sum_by_utterance(self, *columns: FloatArray) -> FloatArray:
        """Return sums (utterances, k) of k numbers per trial."""
        return np.stack(
            [np.bincount(self.utterance, column, minlength=self.n_utterances) for column in columns], axis=1
        )


class Resampled(NamedTuple):
    """A number of all trials, and of every resample of their utterances; NaN where it is not defined."""

    value: float
    draws: FloatArray

    def estimate(self) -> Estimate | None:
        """Return the number with the middle 95% of the resamples; None where it is not defined."""
        if not np.isfinite(self.value):
            return None
        return Estimate(
            value=self.value, interval=bootstrap_interval(self.draws[np.isfinite(self.draws)], self.value)
        )

    def minus(self, other: Resampled) -> Resampled:
        """Return the difference, paired: both were drawn from the same utterances."""
        return Resampled(self.value - other.value, self.draws - other.draws)
