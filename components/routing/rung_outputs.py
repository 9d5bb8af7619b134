"""What two rungs make of a development set, as statistics that add up to the quality of any mixture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.metrics.metric import Metric
from components.metrics.statistics.bootstrap import FloatArray


@dataclass(frozen=True)
class RungOutputs:
    """Statistics of the outputs of a cheap and an expensive rung for the same utterances.

    Attributes:
        metric: whose statistics they are.
        cheap: statistics (n, k) of the cheap rung's outputs.
        expensive: those of the expensive one's.
    """

    metric: Metric
    cheap: FloatArray
    expensive: FloatArray

    @cached_property
    def changes(self) -> FloatArray:
        """How the statistics (n, k) change where an utterance escalates."""
        return self.expensive - self.cheap

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.metric.higher_is_better else -1

    def quality(self, changes: FloatArray) -> FloatArray:
        """Return the corpus score (...) of the cheap outputs with these summed changes (..., k)."""
        return self.metric.score(self.cheap.sum(0) + changes)

    def quality_by_size(self, order: np.ndarray) -> FloatArray:
        """Return the corpus score (n + 1,) where the first 0, 1 ... n of an order of utterances escalate."""
        changes = np.cumsum(self.changes[order], axis=0)
        return self.quality(np.concatenate([np.zeros((1, changes.shape[1])), changes]))

    @cached_property
    def gains(self) -> FloatArray:
        """How much better the corpus score gets (n,) where one utterance alone escalates.

        Of error rates these are differences of errors, so that their order is the best one at every size. Of
        other metrics it is the best one to first order.
        """
        gains: FloatArray = self.sign * (self.quality(self.changes) - self.metric.score(self.cheap.sum(0)))
        return gains

    def mix(self, escalates: np.ndarray) -> FloatArray:
        """Return statistics (n, k) of the mixture in which the marked utterances (n,) escalate."""
        return np.where(escalates[:, None], self.expensive, self.cheap)
