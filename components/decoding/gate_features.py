"""What a gate may know of each member: features of the rows, carried along with them.

F = 4 features per member and row: the highest log-probability and the entropy (nats) of its latest
distribution, the log-probability it gave the token taken last, and the mean of those so far. Before the first
token they are 0. What a member says changes the features of the rows that it is run for and of no other: so a
row decides the same whatever lies beside it in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

HIGHEST, ENTROPY, LAST, MEAN = range(4)
N_FEATURES = 4
MIN_LOG_PROB = -200.0
"""A forbidden token counts as this log-probability, so that sums stay finite."""


class GateFeatures:
    """Features (M, R, F) of the rows of one search; one row that stands for all before the first token."""

    def __init__(self, n_members: int) -> None:
        self.values = torch.zeros((n_members, 1, N_FEATURES))
        self._n_observed = torch.zeros((n_members, 1))

    def expand(self, rows: int, device: torch.device) -> None:
        """There are ``rows`` rows on ``device``: before the first token they are all alike, on no card."""
        if self.values.shape[1] != rows or self.values.device != device:
            times = rows // self.values.shape[1]
            self.values = self.values.to(device).repeat(1, times, 1)
            self._n_observed = self._n_observed.to(device).repeat(1, times)

    def reorder(self, beam_indices: Tensor, log_probs: Tensor) -> None:
        """Row r continues row ``parents[r]``; ``votes`` (M, R): what members gave its token, NaN: not run."""
        self.values, self._n_observed = self.values[:, beam_indices], self._n_observed[:, beam_indices]
        is_run = ~log_probs.isnan()
        log_probs = log_probs.clamp(min=MIN_LOG_PROB)
        self._n_observed += is_run
        last, mean = self.values[..., LAST], self.values[..., MEAN]
        self.values[..., LAST] = torch.where(is_run, log_probs, last)
        step = (log_probs - mean) / self._n_observed.clamp(min=1)
        self.values[..., MEAN] = torch.where(is_run, mean + step, mean)

    def observe(self, member: int, distribution: Tensor, is_run: Tensor | None = None) -> None:
        """Take :func:`distribution_features` (R, 2) of a member, in the rows ``ran`` (R,) for it, or all."""
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
