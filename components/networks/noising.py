"""The forward process of edit diffusion: Levenshtein edits that take a text to noise, step by step.

At each step, from left to right, an edit begins at a token with probability ``rate``; its kind is drawn from
``kinds`` and its length is 1 + Poisson(``longer``), as in Reid et al. (2022). New tokens are drawn from the
unigram distribution of the training targets. With probability ``blank`` the last step deletes everything, so
that the denoiser also learns to begin from nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Generator = np.random.Generator
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Corruption:
    """The noising process.

    Attributes:
        steps: T, the number of steps.
        rate: probability that an edit begins at a token.
        longer: mean of the Poisson distribution of an edit's length beyond 1.
        blank: probability that the last step deletes the whole text.
        kinds: probabilities of replace, insert and delete.
    """

    steps: int = 4
    rate: float = 0.15
    longer: float = 0.5
    blank: float = 0.15
    kinds: tuple[float, float, float] = (0.5, 0.2, 0.3)


class EditNoiser:
    """Draws noised texts.

    Args:
        process: the noising process.
        counts: how often each token of the vocabulary (V) occurs in the training targets.
    """

    def __init__(self, process: Corruption, counts: Sequence[int]) -> None:
        self.process = process
        self._sums: Any = np.cumsum(np.asarray(counts, np.float64))

    def draw_tokens(self, count: int, rng: Generator) -> Tokens:
        """Draw ``count`` tokens from the unigram distribution of the training targets."""
        token_ids = np.searchsorted(self._sums, rng.random(count) * self._sums[-1], side="right")
        return tuple(int(token_id) for token_id in token_ids)

    def corrupt_once(self, tokens: Tokens, rng: Generator) -> Tokens:
        """Apply one step of random edits: x_{t-1} -> x_t."""
        process, position = self.process, 0
        result: list[int] = []
        while position <= len(tokens):  # the last position, behind the text, can only be inserted at
            if rng.random() < process.rate:
                length = 1 + int(rng.poisson(process.longer))
                kind = int(rng.choice(3, p=process.kinds))
                if kind != 2:
                    result += self.draw_tokens(length, rng)
                if kind != 1:
                    position += length
                    continue
            result += tokens[position : position + 1]
            position += 1
        return tuple(result)

    def draw_training_pair(self, clean: Tokens, rng: Generator) -> tuple[int, Tokens, Tokens]:
        """Draw a step t from 1 to T; return t, x_t and x_{t-1} of the process from ``clean``, x_0."""
        t = int(rng.integers(1, self.process.steps + 1))
        before = clean
        for _ in range(t - 1):
            before = self.corrupt_once(before, rng)
        after = () if rng.random() < self.process.blank else self.corrupt_once(before, rng)
        return t, after, before
