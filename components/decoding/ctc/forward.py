"""The CTC forward recursion (Graves et al. 2006) of a text and of all its prefixes at once.

A frame-level distribution over tokens and a blank says how likely a text is: the sum over its alignments, in
which a token may last several frames and equal neighbors have a blank between them. The probability that
the text *begins* with a prefix (Graves 2012, section 7.5.3; Watanabe et al. 2017) makes an autoregressive
model of it: each token gets its probability given those before it, the end of the text too, and the product
of these is the text's probability.

Shapes: T frames, V tokens with the blank, L tokens of a text. Everything is in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LogProbs = NDArray[np.float64]
"""Log-probabilities (T, V) of every token in every frame."""


@dataclass(frozen=True)
class Forward:
    """The forward variables of a text.

    Attributes:
        blank: (T + 1, L + 1): entry (t, i) is the log-probability of the first i tokens in the first t frames
            with a blank last (or nothing, at t = 0).
        token: (T + 1, L + 1): the same with the i-th token last.
    """

    blank: LogProbs
    token: LogProbs

    @property
    def log_prob(self) -> float:
        """Of the text: the sum over all its alignments to all frames."""
        return float(np.logaddexp(self.blank[-1, -1], self.token[-1, -1]))


def compute_forward(log_probs: LogProbs, tokens: Sequence[int], blank: int) -> Forward:
    """Return the forward variables of ``tokens`` (L) in ``log_probs`` (T, V)."""
    n_frames, n_tokens = len(log_probs), len(tokens)
    alpha = np.full((2, n_frames + 1, n_tokens + 1), -np.inf)
    alpha[0, 0, 0] = 0.0
    blanks, emitted = log_probs[:, blank], log_probs[:, list(tokens)]
    repeats = find_repeats(tokens)
    for t in range(n_frames):
        ends_blank, ends_token = alpha[0, t], alpha[1, t]
        alpha[0, t + 1] = np.logaddexp(ends_blank, ends_token) + blanks[t]
        before = np.where(repeats, -np.inf, ends_token[:-1])
        entering = np.logaddexp(ends_blank[:-1], before)
        alpha[1, t + 1, 1:] = np.logaddexp(ends_token[1:], entering) + emitted[t]
    return Forward(alpha[0], alpha[1])


def find_repeats(tokens: Sequence[int]) -> NDArray[np.bool_]:
    """Return (L,): whether a token is the one before it, so that a blank has to stand between them."""
    ids = np.asarray(tokens, dtype=np.int64)
    return np.concatenate([[False], ids[1:] == ids[:-1]])[: len(ids)]


def score_prefixes(log_probs: LogProbs, tokens: Sequence[int], forward: Forward) -> LogProbs:
    """Return the log-probability (L + 1,) that the text begins with the first 0, 1, ... L of ``tokens``.

    A prefix is entered in the frame that emits its last token first; what follows is arbitrary and sums to 1.
    """
    if not tokens:
        return np.zeros(1)
    before = np.where(find_repeats(tokens), -np.inf, forward.token[:-1, :-1])
    entering = np.logaddexp(forward.blank[:-1, :-1], before) + log_probs[:, list(tokens)]
    return np.concatenate([[0.0], np.logaddexp.reduce(entering, axis=0)])


def score_tokens(log_probs: LogProbs, tokens: Sequence[int], blank: int) -> LogProbs:
    """Score (L + 1,) each token given those before it, and the end after all of them: log-probabilities.

    Their sum is the text's log-probability; -inf where the frames are too few for the text.
    """
    forward = compute_forward(log_probs, tokens, blank)
    prefixes = score_prefixes(log_probs, tokens, forward)
    if not np.isfinite(forward.log_prob):
        return np.full(len(tokens) + 1, -np.inf)
    return np.minimum(0.0, np.diff(np.append(prefixes, forward.log_prob)))
