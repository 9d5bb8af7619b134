"""Gating features (4 per member and row), reordered with the beam.

The features are the highest log-probability and the entropy (nats) of the member's latest distribution, the
log-probability that it gave the last token, and the mean of those so far. Before the first token they are 0.
A member changes the features only of the rows that it is run for, so a row's weights do not depend on what
else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

HIGHEST, ENTROPY, LAST, MEAN = range(4)
N_FEATURES = 4
MIN_LOG_PROB = -200.0
"""Log-probabilities are clamped to this (nats), so that sums stay finite."""


class GateFeatures:
    """The gating features of one search.

    Attributes:
        values: (M members, R rows, F features); before the first token one row stands for all.
    """

    def __init__(self, n_members: int) -> None:
        self.values = torch.zeros((n_members, 1, N_FEATURES))
        self._n_observed = torch.zeros((n_members, 1))

    def expand(self, rows: int, device: torch.device) -> None:
        """Repeat the one row of the start, which is on the CPU, to ``rows`` rows on ``device``."""
        if self.values.shape[1] != rows or self.values.device != device:
            times = rows // self.values.shape[1]
            self.values = self.values.to(device).repeat(1, times, 1)
            self._n_observed = self._n_observed.to(device).repeat(1, times)

    def reorder(self, beam_indices: Tensor, log_probs: Tensor) -> None:
        """Append one token to every row.

        Args:
            beam_indices: LongTensor (R,): row r continues row ``beam_indices[r]``.
            log_probs: What the members gave the tokens, (M, R); NaN where a member was not run.
        """
        self.values, self._n_observed = self.values[:, beam_indices], self._n_observed[:, beam_indices]
        is_run = ~log_probs.isnan()
        log_probs = log_probs.clamp(min=MIN_LOG_PROB)
        self._n_observed += is_run
        last, mean = self.values[..., LAST], self.values[..., MEAN]
        self.values[..., LAST] = torch.where(is_run, log_probs, last)
        step = (log_probs - mean) / self._n_observed.clamp(min=1)
        self.values[..., MEAN] = torch.where(is_run, mean + step, mean)

    def observe(self, member: int, distribution: Tensor, is_run: Tensor | None = None) -> None:
        """Store :func:`distribution_features` (R, 2) of one member, for the rows that it was run for.

        Args:
            member: Its index.
            distribution: The features.
            is_run: Whether it was run for each row (R,); None: for all.
        """
        previous = self.values[member, :, : ENTROPY + 1]
        if is_run is not None:
            distribution = torch.where(is_run[:, None], distribution, previous)
        self.values[member, :, : ENTROPY + 1] = distribution


def distribution_features(scores: Tensor) -> Tensor:
    """Scores (..., V) -> (..., 2): the highest log-probability, and the entropy in nats."""
    probabilities = torch.softmax(scores, dim=-1)
    highest = scores.amax(dim=-1)
    top = probabilities.amax(dim=-1).log()
    # H = log Z - sum p * score; a forbidden token's score is -inf and its share nothing.
    finite = scores.clamp(min=torch.finfo(scores.dtype).min)
    expected = torch.linalg.vecdot(probabilities, finite - highest[..., None])
    return torch.stack([top, -top - expected], dim=-1)
