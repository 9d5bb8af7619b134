"""The deliberation objective: E over drafts y' ~ P1(. | x) of log P2(y | y', x), by Monte Carlo.

Its gradient with respect to the first pass has two parts: through the states that the second decoder reads,
and through the chance of the draft, log P1(y' | x) times how well it served (Xia et al., 2017, eq. 6-7). The
value of the surrogate below is not the objective; its gradient, averaged over drafts, is the objective's.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rewards_minus_baseline(rewards: Tensor) -> Tensor:
    """Rewards (N, K) less the mean of the other drafts of the same source; K = 1: the rewards themselves.

    The baseline of a draft does not depend on that draft, so the estimate stays unbiased (Kool et al., 2019).
    """
    count = rewards.shape[1]
    if count == 1:
        return rewards
    others = (rewards.sum(1, keepdim=True) - rewards) / (count - 1)
    return rewards - others


def surrogate_objective(
    target_log_probs: Tensor, draft_log_probs: Tensor, rewards: Tensor | None = None
) -> Tensor:
    """Mean over N sources of the surrogate (a scalar to be maximised).

    ``served`` (N, K) is what is maximised given each draft (log P2, perhaps smoothed), ``drafted`` (N, K) is
    log P1 of the draft, ``rewards`` (N, K) log P2 as the reward (default: ``served``).
    """
    weight = rewards_minus_baseline((target_log_probs if rewards is None else rewards).detach())
    return (target_log_probs + weight * draft_log_probs).mean(1).mean(0)


def pad_drafts(drafts: list[list[tuple[int, ...]]], pad: int) -> tuple[Tensor, Tensor]:
    """Drafts of N sources, K each, as padded ids (N * K, J) and where they are real (N * K, J)."""
    rows = [draft for group in drafts for draft in group]
    width = max(map(len, rows))
    tokens = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, torch.arange(width) < lengths[:, None]
