"""Entropy and margin of the distributions that tokens are taken from.

Entropy: Fomicheva et al. 2020; margin: Scheffer et al. 2001.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.mixing.gate_features import distribution_features
from components.decoding.tokens.topk import topk

N_STATISTICS = 2
"""Entropy and margin, in this order."""
MAX_MARGIN = 200.0
"""Margins are clamped to this (nats): where one token only is allowed, there is no next."""


def token_statistics(log_probs: Tensor) -> Tensor:
    """Statistics (2, R) of distributions (R, V), given as log-probabilities up to a constant per row.

    Returns:
        The entropy in nats, and the highest log-probability minus the next one.
    """
    entropy = distribution_features(log_probs)[:, 1].clamp(min=0)
    first, second = topk(log_probs, 2)[0].unbind(dim=-1)
    return torch.stack([entropy, (first - second).clamp(max=MAX_MARGIN)])
