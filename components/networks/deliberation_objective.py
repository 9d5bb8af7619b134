"""The deliberation objective: E over drafts y' ~ P1(. | x) of log P2(y | y', x), by Monte Carlo.

Its gradient with respect to the first pass has two parts: through the states that the second decoder reads,
and through the probability of the draft, log P1(y' | x) times its reward (Xia et al., 2017, eq. 6-7). The
value of the surrogate below is not the objective; its gradient, averaged over drafts, is the objective's.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rewards_minus_baseline(rewards: Tensor) -> Tensor:
    """Subtract from each reward (N, K) the mean reward of the source's other drafts; K = 1: nothing.

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
    """Return the surrogate objective, a scalar to be maximized: the mean over N sources and K drafts.

    Args:
        target_log_probs: log P2 of the target given each draft (N, K), perhaps label-smoothed.
        draft_log_probs: log P1 of each draft (N, K).
        rewards: log P2 as the reward (N, K); ``target_log_probs`` if None.
    """
    weight = rewards_minus_baseline((target_log_probs if rewards is None else rewards).detach())
    return (target_log_probs + weight * draft_log_probs).mean(1).mean(0)


def pad_drafts(drafts: list[list[tuple[int, ...]]], pad: int) -> tuple[Tensor, Tensor]:
    """Pad the drafts of N sources, K each: ids and mask (N * K, J), which is False at padding."""
    rows = [draft for group in drafts for draft in group]
    width = max(map(len, rows))
    tokens = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, torch.arange(width) < lengths[:, None]
