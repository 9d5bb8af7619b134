"""Gating features (4 per member and row), reordered with the beam.

The features are the highest log-probability and the entropy (nats) of the member's latest distribution, the
log-probability that it gave the last token, and the mean of those so far. Before the first token they are 0.
A member changes the features only of the rows that it is run for, so a row's weights do not depend on what
else is in the batch.

A search carries them in one tensor, its state (M members, R rows, F + 2): the features, the number of the
row's tokens that the member was run for, and the number of all its tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

HIGHEST, ENTROPY, LAST, MEAN = range(4)
N_FEATURES = 4
MIN_LOG_PROB = -200.0
"""Log-probabilities are clamped to this (nats), so that sums stay finite."""


def initial_state(n_members: int, rows: int = 1, device: torch.device | str = "cpu") -> Tensor:
    """Return the state before the first token."""
    return torch.zeros((n_members, rows, N_FEATURES + 2), device=device)


def features_of(state: Tensor) -> Tensor:
    """Return the features (M, R, F) of a state."""
    return state[..., :N_FEATURES]


def steps_of(state: Tensor) -> Tensor:
    """Return the number of tokens of each row (R,), of a state."""
    return state[0, :, -1]


def append_token(state: Tensor, log_probs: Tensor) -> Tensor:
    """Return the state after one more token of every row.

    Args:
        state: of the rows that are continued.
        log_probs: what the members gave the tokens, (M, R); NaN where a member was not run.
    """
    highest, entropy, last, mean, n_run, n_tokens = state.unbind(-1)
    is_run = ~log_probs.isnan()
    log_probs = log_probs.clamp(min=MIN_LOG_PROB)
    n_run = n_run + is_run
    step = (log_probs - mean) / n_run.clamp(min=1)
    last, mean = torch.where(is_run, log_probs, last), torch.where(is_run, mean + step, mean)
    return torch.stack([highest, entropy, last, mean, n_run, n_tokens + 1], dim=-1)


def observe(state: Tensor, member: int, distribution: Tensor, is_run: Tensor | None = None) -> None:
    """Store :func:`distribution_features` (R, 2) of one member in a state, for the rows that it was run for.

    Args:
        state: it is changed.
        member: its index.
        distribution: the features.
        is_run: whether it was run for each row (R,); None: for all.
    """
    stored = state[member, :, : ENTROPY + 1]
    stored.copy_(distribution if is_run is None else torch.where(is_run[:, None], distribution, stored))


def distribution_features(scores: Tensor) -> Tensor:
    """Scores (..., V) -> (..., 2): the highest log-probability, and the entropy in nats."""
    probabilities = torch.softmax(scores, dim=-1)
    highest = scores.amax(dim=-1)
    top = probabilities.amax(dim=-1).log()
    # H = log Z - sum p * score; a forbidden token's score is -inf and its share nothing.
    finite = scores.clamp(min=torch.finfo(scores.dtype).min)
    expected = torch.linalg.vecdot(probabilities, finite - highest[..., None])
    return torch.stack([top, -top - expected], dim=-1)
