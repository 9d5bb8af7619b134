"""Nats a token that models give to reference texts: what tells models apart long before BLEU does."""

from __future__ import annotations

import numpy as np

from components.metrics.metric import CorpusScore
from components.metrics.statistics.bootstrap import FloatArray


class NatsPerToken(CorpusScore):
    """Log-likelihood of the references over their tokens, from rows of (nats, tokens)."""

    name, label = "nats", "nats a token"
    higher_is_better = True
    ceiling = 0.0

    def score(self, sums: FloatArray) -> FloatArray:
        """Nats over tokens of sums (..., 2)."""
        return np.asarray(sums[..., 0] / sums[..., 1])


NATS = NatsPerToken()
