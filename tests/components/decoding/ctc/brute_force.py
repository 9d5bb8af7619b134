"""Connectionist temporal classification by enumeration of all alignments, for tiny inputs."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np

BLANK = 0


def random_log_probs(frames: int, tokens: int, seed: int) -> np.ndarray:
    """Log-probabilities (frames, tokens), peaked enough that not only the empty text is likely."""
    logits = np.random.default_rng(seed).normal(0, 2, (frames, tokens))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(path) if token != BLANK)


def paths(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every alignment and its log-probability."""
    frames, tokens = log_probs.shape
    return {
        path: math.fsum(log_probs[t, token] for t, token in enumerate(path))
        for path in product(range(tokens), repeat=frames)
    }


def texts(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every text and its log-probability: the sum over its alignments."""
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    for path, log_prob in paths(log_probs).items():
        sums[collapse(path)] += math.exp(log_prob)
    return {text: math.log(value) for text, value in sums.items()}


def prefix_log_prob(log_probs: np.ndarray, prefix: tuple[int, ...]) -> float:
    """Log-probability that a text begins with ``prefix``."""
    values = [math.exp(v) for text, v in texts(log_probs).items() if text[: len(prefix)] == prefix]
    return math.log(math.fsum(values)) if values else -math.inf
