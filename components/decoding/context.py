"""What a gate may know of each member: features of the rows, carried along with them.

F = 4 features per member and row: the highest log-probability and the entropy (nats) of its latest
distribution, the log-probability it gave the token taken last, and the mean of those so far. Before the first
token they are 0. A member that was not run keeps its earlier features.
"""

from __future__ import annotations

import torch
from torch import Tensor

HIGHEST, ENTROPY, LAST, MEAN = range(4)
FEATURES = 4


class Context:
    """Features (M, R, F) of the rows of one search; one row that stands for all before the first token."""

    def __init__(self, n_members: int) -> None:
        self.features = torch.zeros((n_members, 1, FEATURES))
        self._seen = torch.zeros((n_members, 1))

    def widen(self, scores: Tensor) -> None:
        """The rows are those of ``scores`` (N, V): before the first token they are all alike."""
        if len(scores) != self.features.shape[1]:
            self.features = self.features.to(scores.device).repeat(1, len(scores), 1)
            self._seen = self._seen.to(scores.device).repeat(1, len(scores))

    def follow(self, parents: Tensor, votes: Tensor) -> None:
        """Row r continues row ``parents[r]``; ``votes`` (M, R) is what the members gave its token, or NaN."""
        self.features, self._seen = self.features[:, parents], self._seen[:, parents]
        told = votes.isfinite()
        self._seen += told
        last, mean = self.features[..., LAST], self.features[..., MEAN]
        self.features[..., LAST] = torch.where(told, votes, last)
        step = (votes - mean) / self._seen.clamp(min=1)
        self.features[..., MEAN] = torch.where(told, mean + step, mean)

    def look(self, member: int, scores: Tensor) -> None:
        """Take the features of one member's present distribution, given as scores (R, V)."""
        self.features[member, :, : ENTROPY + 1] = distribution_features(scores)


def distribution_features(scores: Tensor) -> Tensor:
    """Scores (..., V) -> (..., 2): the highest log-probability, and the entropy in nats."""
    probabilities = torch.softmax(scores, dim=-1)
    highest = scores.amax(dim=-1)
    top = probabilities.amax(dim=-1).log()
    # H = log Z - sum p * score; a forbidden token's score is -inf and its share nothing.
    finite = scores.clamp(min=torch.finfo(scores.dtype).min)
    expected = torch.linalg.vecdot(probabilities, finite - highest[..., None])
    return torch.stack([top, -top - expected], dim=-1)
