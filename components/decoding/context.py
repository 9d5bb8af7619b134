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
FEATURES = 4
FLOOR = -200.0
"""A forbidden token counts as this log-probability, so that sums stay finite."""


class Context:
    """Features (M, R, F) of the rows of one search; one row that stands for all before the first token."""

    def __init__(self, n_members: int) -> None:
        self.features = torch.zeros((n_members, 1, FEATURES))
        self._seen = torch.zeros((n_members, 1))

    def widen(self, rows: int, device: torch.device) -> None:
        """There are ``rows`` rows on ``device``: before the first token they are all alike, on no card."""
        if self.features.shape[1] != rows or self.features.device != device:
            times = rows // self.features.shape[1]
            self.features = self.features.to(device).repeat(1, times, 1)
            self._seen = self._seen.to(device).repeat(1, times)

    def follow(self, parents: Tensor, votes: Tensor) -> None:
        """Row r continues row ``parents[r]``; ``votes`` (M, R): what members gave its token, NaN: not run."""
        self.features, self._seen = self.features[:, parents], self._seen[:, parents]
        ran = ~votes.isnan()
        votes = votes.clamp(min=FLOOR)
        self._seen += ran
        last, mean = self.features[..., LAST], self.features[..., MEAN]
        self.features[..., LAST] = torch.where(ran, votes, last)
        step = (votes - mean) / self._seen.clamp(min=1)
        self.features[..., MEAN] = torch.where(ran, mean + step, mean)

    def look(self, member: int, present: Tensor, ran: Tensor | None = None) -> None:
        """Take :func:`distribution_features` (R, 2) of a member, in the rows ``ran`` (R,) for it, or all."""
        known = self.features[member, :, : ENTROPY + 1]
        if ran is not None:
            present = torch.where(ran[:, None], present, known)
        self.features[member, :, : ENTROPY + 1] = present


def distribution_features(scores: Tensor) -> Tensor:
    """Scores (..., V) -> (..., 2): the highest log-probability, and the entropy in nats."""
    probabilities = torch.softmax(scores, dim=-1)
    highest = scores.amax(dim=-1)
    top = probabilities.amax(dim=-1).log()
    # H = log Z - sum p * score; a forbidden token's score is -inf and its share nothing.
    finite = scores.clamp(min=torch.finfo(scores.dtype).min)
    expected = torch.linalg.vecdot(probabilities, finite - highest[..., None])
    return torch.stack([top, -top - expected], dim=-1)
